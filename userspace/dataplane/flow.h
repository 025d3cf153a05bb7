/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the flow record of an accepted connection. For the worker, which has no privilege: it needs
 * only the read-only map fd that the monitor gave it and the accepted socket. Links no libbpf.
 */
#pragma once

#include "base/cleanup.h"
#include "egret/abi.h"

/* 0: *ret is the record the kernel captured at the client's connect().
 * -ENOENT: there is none: this connection was not redirected here, close it (EG_REASON_no_flow).
 * Another -errno: the record could not be read; close it too. */
int flow_take(int flow_fd, int accepted_fd, struct eg_flow *ret) _must_check_;

/* SPDX-License-Identifier: Apache-2.0 */
/* The flow record that the kernel would write if a living process connected now, from /proc. */
#pragma once

#include <sys/types.h>

#include "egret/abi.h"
#include "identity/cgroupfs.h"

/* No socket, destination or network namespace: those stay zero. -ESRCH: no such process, or none
 * with a cgroup below the mount. */
int flow_of(const char *proc, const struct cgroupfs *cgroups, pid_t pid,
	    struct eg_flow *ret) _must_check_;

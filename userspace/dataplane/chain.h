/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows what a client says that is no TLS, as the hooks do (bpf/lib/chain.h, which has the
 * contract): a hello that stands behind it, where a server would look for one, is found.
 */
#pragma once

#include "../../bpf/lib/chain.h"

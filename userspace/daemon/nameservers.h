/* SPDX-License-Identifier: Apache-2.0 */
/* What a resolv.conf names, the host's (resolv.h) or a workload's (own_dns.h). Pure. */
#pragma once

#include "base/slice.h"
#include "egret/abi.h"

/* Its name servers, the first `max`; none of what is no text. A scope (fe80::1%eth0) is left out.
 */
unsigned nameservers_parse(struct slice text, struct eg_addr *ret, unsigned max);

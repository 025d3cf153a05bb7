/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks_opts.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/config.h"

static void on_print(void *ctx, const char *line)
{
	(void)ctx;
	log_debug("%s", line);
}

void hooks_opts_of(const struct config *c, struct hooks_opts *ret)
{
	(void)snprintf(ret->pins, sizeof(ret->pins), "%s/bpf", c->run_dir);
	ret->opts = (struct dataplane_opts){ .cgroup = *c->cgroup ? c->cgroup : NULL,
					     .pins = ret->pins,
					     .nat64 = c->nat64.addr,
					     .nat64_bits = (uint8_t)c->nat64.prefix_len,
					     .allow_raw = c->allow_raw,
					     .print = on_print };
	memcpy(ret->opts.extra_ports, c->ports, sizeof(ret->opts.extra_ports));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* New policy, new configuration, without a gap: everything is read and checked first, then put in
 * force at once; a mistake anywhere leaves the old state as it is. */
#pragma once

#include "base/diag.h"
#include "daemon/monitor.h"

/* Reads catalogue and policy (the configured file, or `text` that came from the file `name`) and
 * puts them in force. */
int reload_policy(struct monitor *m, const struct slice *text, const char *name,
		  struct diag *d) _must_check_;
/* As SIGHUP: configuration, then catalogue and policy, credentials, trust, groups. *ret_reason says
 * what was wrong, as the control protocol calls it: "bad_config" or "bad_policy". */
int reload_all(struct monitor *m, struct diag *d, const char **ret_reason) _must_check_;
/* After each load of the CA: when it found no room on the disk, it is loaded again in a while. */
void reload_ca_later(struct monitor *m);
/* What the kernel learns from DNS: names of the edition in force, resolvers of now. */
void reload_learning(struct monitor *m);
/* Who may look, as configured. */
void reload_group(struct monitor *m);
/* Warns where the policy asks for what only a container engine knows, and none is configured. */
void reload_engines(struct monitor *m);
/* Level and format of the log, as configured: the monitor's. children_send_log_level() tells the
 * others. */
void reload_log(const struct config *c);

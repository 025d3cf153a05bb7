/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <stdio.h>

#include "daemon/reload.h"

static const struct control_command commands[] = {
	{ "status", CONTROL_READ, CONTROL_PLAIN, control_status },
	{ "check", CONTROL_READ, CONTROL_PLAIN, control_check },
	{ "log.level", CONTROL_READ, CONTROL_PLAIN,
	  control_log_level }, /* to set it: root, see there */
	{ "daemon.stop", CONTROL_ADMIN, CONTROL_PLAIN, control_daemon_stop },
	{ "daemon.upgrade", CONTROL_ADMIN, CONTROL_PLAIN, control_daemon_upgrade },
	{ "daemon.reload", CONTROL_ADMIN, CONTROL_PLAIN, control_daemon_reload },
	{ "run", CONTROL_RUN, CONTROL_PLAIN, control_run },
	{ "workload.list", CONTROL_READ, CONTROL_PLAIN, control_workload_list },
	{ "workload.show", CONTROL_READ, CONTROL_PLAIN, control_workload_show },
	{ "workload.of", CONTROL_READ, CONTROL_PLAIN, control_workload_of },
	{ "flow.list", CONTROL_READ, CONTROL_PLAIN, control_flow_list },
	{ "flow.show", CONTROL_READ, CONTROL_PLAIN, control_flow_show },
	{ "endpoint.list", CONTROL_READ, CONTROL_PLAIN, control_endpoint_list },
	{ "cgroup.list", CONTROL_READ, CONTROL_PLAIN, control_cgroup_list },
	{ "cgroup.show", CONTROL_READ, CONTROL_PLAIN, control_cgroup_show },
	{ "netns.list", CONTROL_READ, CONTROL_PLAIN, control_netns_list },
	{ "provider.list", CONTROL_READ, CONTROL_PLAIN, control_provider_list },
	{ "provider.show", CONTROL_READ, CONTROL_PLAIN, control_provider_show },
	{ "policy.check", CONTROL_ADMIN, CONTROL_TEXT, control_policy_check },
	{ "policy.load", CONTROL_ADMIN, CONTROL_TEXT, control_policy_load },
	{ "policy.show", CONTROL_READ, CONTROL_PLAIN, control_policy_show },
	{ "policy.explain", CONTROL_READ, CONTROL_TEXT,
	  control_policy_explain }, /* with a text: root */
	{ "credential.list", CONTROL_READ, CONTROL_PLAIN, control_credential_list },
	{ "credential.reload", CONTROL_ADMIN, CONTROL_PLAIN, control_credential_reload },
	{ "ca.show", CONTROL_READ, CONTROL_PLAIN, control_ca_show },
	{ "ca.rotate", CONTROL_ADMIN, CONTROL_PLAIN, control_ca_rotate },
	{ "audit.list", CONTROL_READ, CONTROL_PLAIN, control_recorder },
	{ "audit.show", CONTROL_READ, CONTROL_PLAIN, control_recorder },
	{ "audit.tail", CONTROL_READ, CONTROL_WATCH, control_recorder },
	{ "event.list", CONTROL_READ, CONTROL_PLAIN, control_recorder },
	{ "event.watch", CONTROL_READ, CONTROL_WATCH, control_recorder },
	{ "prog.list", CONTROL_READ, CONTROL_PLAIN, control_prog_list },
	{ "map.list", CONTROL_READ, CONTROL_PLAIN, control_map_list },
	{ "map.dump", CONTROL_READ, CONTROL_PLAIN, control_map_dump },
};

int control_start(struct monitor *m, struct diag *d)
{
	const struct control_opts o = { .commands = commands,
					.n_commands = ARRAY_SIZE(commands),
					.ctx = m,
					.may_run = control_run_may };
	char path[4352];
	int fd, r;

	(void)snprintf(path, sizeof(path), "%s/control.sock", m->config->run_dir);
	/* Clients of the generation before wait in its queue. */
	if (m->taken) {
		fd = (int)json_integer_value(json_object_get(m->taken, "control"));
		m->has_socket_unit = json_integer_value(json_object_get(m->taken, "socket_unit"));
	} else {
		fd = TAKE_FD(m->fdstore.control);
		m->has_socket_unit = fd >= 0;
	}
	r = fd >= 0 ? 0 : control_listen(path, d, &fd);
	if (r < 0)
		return r;
	r = control_server_new(m->loop, fd, &o, &m->control);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	reload_group(m);
	return 0;
}

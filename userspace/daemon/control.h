/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor's side of the control socket: the table of commands (control/PROTOCOL.md), one
 * control_*.c an object. */
#pragma once

#include "base/diag.h"
#include "control/server.h"
#include "daemon/monitor.h"

int control_start(struct monitor *m, struct diag *d) _must_check_;
/* Every credential has been read, well or not: answers who waits for that. */
void control_credentials_settled(struct monitor *m);

/* Handlers: ctx is the struct monitor. */
void control_status(void *ctx, struct request *req);
void control_check(void *ctx, struct request *req);
void control_log_level(void *ctx, struct request *req);
void control_daemon_stop(void *ctx, struct request *req);
void control_daemon_upgrade(void *ctx, struct request *req);
void control_daemon_reload(void *ctx, struct request *req);
void control_run(void *ctx, struct request *req);
bool control_run_may(void *ctx, const struct control_peer *peer, const json_t *args);
void control_workload_list(void *ctx, struct request *req);
void control_workload_show(void *ctx, struct request *req);
void control_workload_of(void *ctx, struct request *req);
void control_flow_list(void *ctx, struct request *req);
void control_flow_show(void *ctx, struct request *req);
void control_endpoint_list(void *ctx, struct request *req);
void control_cgroup_list(void *ctx, struct request *req);
void control_cgroup_show(void *ctx, struct request *req);
/* The map alone: without what cgroups learned. */
void control_endpoint_dump(void *ctx, struct request *req);
void control_netns_list(void *ctx, struct request *req);
void control_provider_list(void *ctx, struct request *req);
void control_provider_show(void *ctx, struct request *req);
void control_policy_check(void *ctx, struct request *req);
void control_policy_load(void *ctx, struct request *req);
void control_policy_show(void *ctx, struct request *req);
void control_policy_explain(void *ctx, struct request *req);
void control_credential_list(void *ctx, struct request *req);
void control_credential_reload(void *ctx, struct request *req);
void control_ca_show(void *ctx, struct request *req);
void control_ca_rotate(void *ctx, struct request *req);
void control_recorder(void *ctx, struct request *req); /* audit.*, event.* */
void control_prog_list(void *ctx, struct request *req);
void control_map_list(void *ctx, struct request *req);
void control_map_dump(void *ctx, struct request *req);

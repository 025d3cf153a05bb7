/* SPDX-License-Identifier: Apache-2.0 */
/* One object a file: object_NAME stands in NAME.c. */
#pragma once

#include "cli/cli.h"

extern const struct object object_status;
extern const struct object object_check;
extern const struct object object_run;
extern const struct object object_workload;
extern const struct object object_flow;
extern const struct object object_endpoint;
extern const struct object object_cgroup;
extern const struct object object_netns;
extern const struct object object_provider;
extern const struct object object_policy;
extern const struct object object_credential;
extern const struct object object_ca;
extern const struct object object_audit;
extern const struct object object_event;
extern const struct object object_prog;
extern const struct object object_map;
extern const struct object object_log;
extern const struct object object_daemon;
extern const struct object object_version;
extern const struct object object_help;

/* SPDX-License-Identifier: Apache-2.0 */
/* Every object of the command line, in the order of the help. */
#include "cli/objects.h"

const struct object *const cli_objects[] = {
	&object_status,	    &object_check,  &object_run,    &object_workload, &object_flow,
	&object_endpoint,   &object_cgroup, &object_netns,  &object_provider, &object_policy,
	&object_credential, &object_ca,	    &object_audit,  &object_event,    &object_prog,
	&object_map,	    &object_log,    &object_daemon, &object_version,  &object_help,
};
const size_t cli_n_objects = ARRAY_SIZE(cli_objects);

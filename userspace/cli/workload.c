/* SPDX-License-Identifier: Apache-2.0 */
/* egret workload: who may be who, and who a process is. */
#include "cli/ask.h"
#include "cli/objects.h"

static const struct column columns[] = {
	{ "NAME", "name", FORM_TEXT },
	{ "CONNECTIONS", "connections", FORM_COUNT },
	{ "DIRECT-KEYS", "direct_keys", FORM_TEXT },
	{ "LABELS", "labels", FORM_LABELS },
	{ "MATCH", "match", FORM_TEXT },
};

static const struct column fields[] = {
	{ "name", "name", FORM_TEXT },
	{ "match", "match", FORM_TEXT },
	{ "labels", "labels", FORM_LABELS },
	{ "direct keys", "direct_keys", FORM_TEXT },
	{ "connections", "connections", FORM_COUNT },
};

static const struct column principal[] = {
	{ "workload", "workload", FORM_TEXT },
	{ "reason", "reason", FORM_TEXT },
	{ "pid", "pid", FORM_COUNT },
	{ "started after boot", "start_ns", FORM_DURATION_NS },
	{ "uid", "uid", FORM_COUNT },
	{ "gid", "gid", FORM_COUNT },
	{ "user", "user", FORM_TEXT },
	{ "exe", "exe", FORM_TEXT },
	{ "exe sha256", "exe_sha256", FORM_TEXT },
	{ "cgroup", "cgroup", FORM_COUNT },
	{ "cgroup path", "cgroup_path", FORM_TEXT },
	{ "unit", "unit", FORM_TEXT },
	{ "container", "container", FORM_TEXT },
};

static const struct args_member name[] = { { "WORKLOAD", "name", ARGS_TEXT } };
static const struct args_member pid[] = { { "PID", "pid", ARGS_NUMBER } };

static int do_list(struct cli *cli, const struct args *args)
{
	(void)args;
	return ask_list(cli, "workload.list", NULL, columns, ARRAY_SIZE(columns), false);
}

static int do_show(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, name, ARRAY_SIZE(name), &a);

	return r < 0 ? r : ask_object(cli, "workload.show", a, fields, ARRAY_SIZE(fields));
}

static int do_of(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, pid, ARRAY_SIZE(pid), &a);

	return r < 0 ? r : ask_object(cli, "workload.of", a, principal, ARRAY_SIZE(principal));
}

static const struct command commands[] = {
	{ "list", "", "workloads of the policy in force", do_list },
	{ "show", "WORKLOAD", "one of them", do_show },
	{ "of", "PID", "which workload a process is, and by what evidence", do_of },
};

const struct object object_workload = { "workload", "who may be who, and who a process is",
					commands, ARRAY_SIZE(commands) };

/* SPDX-License-Identifier: Apache-2.0 */
/* egret netns: network namespaces of workloads besides the host's. */
#include "cli/ask.h"
#include "cli/objects.h"

static const struct column columns[] = {
	{ "NETNS", "netns", FORM_COUNT },	 { "INO", "ino", FORM_COUNT },
	{ "CGROUP", "cgroup_path", FORM_TEXT },	 { "PID", "pid", FORM_COUNT },
	{ "IPV4", "ipv4", FORM_TEXT },		 { "IPV6", "ipv6", FORM_TEXT },
	{ "DEVICES", "devices", FORM_COUNT },	 { "DROPPED", "dropped", FORM_COUNT },
	{ "RESOLVERS", "resolvers", FORM_TEXT }, { "ADVICE", "advice", FORM_TEXT },
};

static int do_list(struct cli *cli, const struct args *args)
{
	(void)args;
	return ask_list(cli, "netns.list", NULL, columns, ARRAY_SIZE(columns), false);
}

static const struct command commands[] = {
	{ "list", "", "where egret listens, and what the backstop on the host's side dropped",
	  do_list },
};

const struct object object_netns = { "netns",
				     "network namespaces of workloads, as containers have them",
				     commands, ARRAY_SIZE(commands) };

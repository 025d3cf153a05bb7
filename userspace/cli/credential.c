/* SPDX-License-Identifier: Apache-2.0 */
/* egret credential: which keys the vault holds. Never a key: a fingerprint and four characters. */
#include "cli/ask.h"
#include "cli/objects.h"

static const struct column columns[] = {
	{ "ID", "id", FORM_TEXT },
	{ "PROVIDER", "provider", FORM_TEXT },
	{ "STATE", "state", FORM_TEXT },
	{ "SOURCE", "source", FORM_TEXT },
	{ "FINGERPRINT", "fingerprint", FORM_TEXT },
	{ "LAST4", "last4", FORM_TEXT },
	{ "GENERATION", "generation", FORM_COUNT },
	{ "ERROR", "error", FORM_TEXT },
};

static int do_list(struct cli *cli, const struct args *args)
{
	(void)args;
	return ask_list(cli, "credential.list", NULL, columns, ARRAY_SIZE(columns), false);
}

static int do_reload(struct cli *cli, const struct args *args)
{
	(void)args;
	return ask_list(cli, "credential.reload", NULL, columns, ARRAY_SIZE(columns), false);
}

static const struct command commands[] = {
	{ "list", "", "credentials and whether they could be read", do_list },
	{ "reload", "", "read every source again; leases of replaced keys end", do_reload },
};

const struct object object_credential = { "credential", "the providers' keys that egret holds",
					  commands, ARRAY_SIZE(commands) };

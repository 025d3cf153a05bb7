/* SPDX-License-Identifier: Apache-2.0 */
/* egret provider: the catalogue in force. */
#include "cli/ask.h"
#include "cli/objects.h"

static const struct column columns[] = {
	{ "NAME", "name", FORM_TEXT },	     { "TRUST", "trust", FORM_TEXT },
	{ "DIALECT", "dialect", FORM_TEXT }, { "CREDENTIALS", "credentials", FORM_TEXT },
	{ "HOSTS", "hosts", FORM_SOME },
};

static const struct column fields[] = {
	{ "name", "name", FORM_TEXT },
	{ "trust", "trust", FORM_TEXT },
	{ "dialect", "dialect", FORM_TEXT },
	{ "hosts", "hosts", FORM_TEXT },
	{ "credentials", "credentials", FORM_TEXT },
	{ "credential field", "credential_field", FORM_TEXT },
	{ "placeholder", "placeholder", FORM_TEXT },
	{ "variables", "env", FORM_TEXT },
	{ "operations", "operations", FORM_TEXT },
};

static const struct args_member name[] = { { "PROVIDER", "name", ARGS_TEXT } };

static int do_list(struct cli *cli, const struct args *args)
{
	(void)args;
	return ask_list(cli, "provider.list", NULL, columns, ARRAY_SIZE(columns), false);
}

static int do_show(struct cli *cli, const struct args *args)
{
	json_t *a = NULL;
	int r = args_object(cli, args, name, ARRAY_SIZE(name), &a);

	return r < 0 ? r : ask_object(cli, "provider.show", a, fields, ARRAY_SIZE(fields));
}

static const struct command commands[] = {
	{ "list", "", "providers that are governed", do_list },
	{ "show", "PROVIDER", "one of them, with its operations", do_show },
};

const struct object object_provider = { "provider", "the provider catalogue in force", commands,
					ARRAY_SIZE(commands) };

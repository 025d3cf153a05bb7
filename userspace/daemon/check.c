/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check.h"

#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/edition.h"
#include "daemon/handover.h"
#include "daemon/hooks_opts.h"
#include "daemon/users.h"
#include "identity/identity.h"

static int check(const struct config_where *where, struct diag *d, struct config **ret_config,
		 struct edition **ret_edition)
{
	struct edition_from from = { 0 };
	int r = config_load(where, d, ret_config);

	if (r < 0)
		return r;
	from.catalogue = &(*ret_config)->catalogue;
	from.policy = (*ret_config)->policy;
	r = edition_new(&from, 1, d, ret_edition);
	if (r == 0)
		r = edition_check_credentials(*ret_edition, *ret_config, d);
	return r < 0 ? r : identity_check((*ret_edition)->doc, d);
}

static int check_users(const struct config *c, struct diag *d)
{
	const struct {
		const char *key, *name;
	} users[] = {
		{ "users.bpffs", c->user_bpffs },
		{ "users.vault", c->user_vault },
		{ "users.recorder", c->user_recorder },
		{ "users.worker", c->user_worker },
	};
	uid_t uid;
	gid_t gid;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(users); i++)
		r = users_find(users[i].key, users[i].name, d, &uid, &gid);
	return r;
}

static int try_kernel(const struct config *c, struct diag *d, unsigned *ret_links)
{
	struct hooks_opts h;
	int r = check_users(c, d);

	hooks_opts_of(c, &h);
	return r < 0 ? r : dataplane_try(&h.opts, d, ret_links);
}

static int run(const struct config_where *where, bool with_kernel)
{
	struct config *c = NULL;
	struct edition *e = NULL;
	struct diag d = { 0 };
	char text[900], says[HANDOVER_WORDS];
	unsigned links = 0;
	int r = check(where, &d, &c, &e);

	if (r == 0 && with_kernel)
		r = try_kernel(c, &d, &links);
	diag_format(&d, text, sizeof(text));
	handover_says(says);
	if (r < 0)
		(void)fprintf(stderr, "egretd: %s\n", *text ? text : strerror(-r));
	else if (with_kernel)
		(void)printf("version %s can run here (policy: %s; hooks attached now: %u; %s)\n",
			     EGRET_VERSION, e->source, links, says);
	else
		(void)printf("configuration and policy are sound (policy: %s)\n", e->source);
	(void)edition_free(e);
	(void)config_free(c);
	return r < 0 ? 1 : 0;
}

int check_main(const struct config_where *where)
{
	return run(where, false);
}

int check_try_main(const struct config_where *where)
{
	return run(where, true);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* egret endpoint: governed addresses, from the daemon or from the pins. */
#include <string.h>

#include "base/clock.h"
#include "cli/ask.h"
#include "cli/endpoint.h"
#include "cli/objects.h"
#include "cli/pinned.h"
#include "control/rows.h"

static const struct column columns[] = {
	{ "ADDRESS", "address", FORM_TEXT },	{ "PROVIDER", "provider", FORM_TEXT },
	{ "SOURCE", "source", FORM_TEXT },	{ "AGE", "age_us", FORM_DURATION },
	{ "CGROUP", "cgroup_path", FORM_TEXT },
};

static const struct args_member filters[] = { { "--provider", "provider", ARGS_TEXT } };

struct listing {
	struct out_list list;
	const char *provider; /* as the pins know it ("#2"); NULL: every */
	uint64_t now_ns;
	const struct inspect *in;
	const struct cgroup_item *of; /* whose learned addresses are listed */
};

/* Steals the row. */
static int put(struct listing *l, json_t *row)
{
	const char *provider = json_string_value(json_object_get(row, "provider"));
	int r = 0;

	if (!row || !l->provider || (provider && strcmp(provider, l->provider) == 0))
		r = out_list_row(&l->list, row);
	json_decref(row);
	return r;
}

static int on_endpoint(void *ctx, const struct eg_endpoint_key *k, const struct eg_endpoint *e)
{
	struct listing *l = ctx;

	return put(l, rows_endpoint(k, e, NULL, l->now_ns));
}

static int on_learned(void *ctx, const struct eg_learned_entry *e)
{
	struct listing *l = ctx;

	return put(l, rows_learned(e, l->of, NULL, l->now_ns));
}

static int on_cgroup(void *ctx, const struct cgroup_item *i)
{
	struct listing *l = ctx;

	l->of = i;
	return inspect_learned(l->in, i->fd, on_learned, l);
}

static void listing_done(struct listing *l)
{
	out_list_done(&l->list);
}

int endpoint_list_pinned(struct cli *cli, const struct diag *dead, const char *provider,
			 bool with_learned)
{
	_cleanup_(pinned_close) struct inspect *in = NULL;
	_cleanup_(listing_done) struct listing l = { .provider = provider,
						     .now_ns = clock_mono_us() * 1000 };
	int r = pinned_open(cli, dead, &in);

	if (r == 0)
		r = out_list_begin(cli, &l.list, columns, ARRAY_SIZE(columns), false);
	if (r < 0)
		return r;
	l.list.from_pins = true;
	l.in = in;
	r = pinned_check(cli, inspect_endpoints(in, on_endpoint, &l), "endpoints");
	if (r == 0 && with_learned)
		r = pinned_cgroups(cli, in, on_cgroup, &l);
	return r < 0 ? r : out_list_end(&l.list);
}

static int do_list(struct cli *cli, const struct args *args)
{
	struct diag dead = { 0 };
	json_t *a = NULL;
	int r = args_object(cli, args, filters, ARRAY_SIZE(filters), &a);

	if (r < 0)
		return r;
	r = ask_list_or_dead(cli, "endpoint.list", a, columns, ARRAY_SIZE(columns), &dead);
	return r == ASK_DEAD ? endpoint_list_pinned(cli, &dead, args_get(args, "--provider"), true)
			     : r;
}

static const struct command commands[] = {
	{ "list", "[--provider PROVIDER]",
	  "addresses whose traffic is redirected, and where they are known from", do_list },
};

const struct object object_endpoint = { "endpoint", "governed addresses (also without egretd)",
					commands, ARRAY_SIZE(commands) };

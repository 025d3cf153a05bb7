/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/classify.h"

#include <inttypes.h>
#include <stdio.h>

#include "provider/credential.h"
#include "proxy/exchange.h"
#include "proxy/generation.h"
#include "proxy/note.h"
#include "proxy/record.h"
#include "proxy/state.h"

/* The provider of the connection's name under this generation's catalogue; asked once a generation.
 */
static bool find_provider(struct exchange *x)
{
	struct caller *c = x->caller;

	if (c->provider_generation != x->gen->number) {
		c->provider = catalogue_find_host(x->gen->catalogue, caller_host(c));
		c->provider_generation = x->gen->number;
	}
	if (c->provider < 0)
		return false;
	x->provider = (unsigned)c->provider;
	x->provider_known = true;
	return true;
}

static struct slice path_of(struct slice target)
{
	const char *query = memchr(target.p, '?', target.n);

	return query ? slice_of(target.p, (size_t)(query - target.p)) : target;
}

static enum eg_reason find_operation(struct exchange *x, const struct inspect_plan **ret_plan,
				     const char **ret_detail)
{
	struct slice path = path_of(x->req->target);
	char *said;
	int op = catalogue_find_operation(x->gen->catalogue, x->provider, x->req->method, path,
					  &x->model_in_path);

	if (op >= 0) {
		x->op = catalogue_operation(x->gen->catalogue, (unsigned)op);
		*ret_plan = generation_plan(x->gen, (unsigned)op);
		return EG_REASON_allowed;
	}
	said = pool_printf(x->pool, SLICE_FMT " " SLICE_FMT, SLICE_ARG(x->req->method),
			   (int)(path.n < 512 ? path.n : 512), path.p);
	if (said)
		record_mask(x, said + x->req->method.n);
	*ret_detail = said;
	return EG_REASON_unknown_operation;
}

/* Somebody is to take this key away from the workload. */
static void report_key(struct exchange *x, const struct credential_found *found)
{
	const char *text;

	if (!x->rec)
		return;
	text = pool_printf(x->pool,
			   "in " SLICE_FMT
			   "; egret's went in its place. Take it out of the workload; its "
			   "uses: egret audit list --key %016" PRIx64,
			   SLICE_ARG(found->place), (uint64_t)x->rec->key_fingerprint);

	note_caller(x->w, x->caller, EG_REASON_direct_key, text);
}

/* Takes out what the caller brought. A key of its own is refused or noted, as policy says. */
static enum eg_reason strip(struct exchange *x, const char **ret_detail)
{
	struct credential_found found = { 0 };
	enum policy_direct_keys mode;

	if (credential_strip(x->gen->catalogue, x->provider, x->req, x->pool, &found) < 0)
		return EG_REASON_headers_too_large;
	if (!found.direct)
		return EG_REASON_allowed;
	record_key(x, found.value);
	mode = policy_direct_keys(x->gen->policy, x->who->who.workload);
	if (mode != POLICY_DIRECT_DENY && x->rec)
		x->rec->flags |= EG_RECORD_REPLACED_KEY;
	if (mode == POLICY_DIRECT_AUDIT)
		report_key(x, &found);
	if (mode != POLICY_DIRECT_DENY)
		return EG_REASON_allowed;
	*ret_detail = pool_printf(x->pool, "in " SLICE_FMT "%s" SLICE_FMT "%s",
				  SLICE_ARG(found.place), found.provider_hint.n ? " (of " : "",
				  SLICE_ARG(found.provider_hint), found.provider_hint.n ? ")" : "");
	return EG_REASON_direct_key;
}

/* The name in the ClientHello; a port, if one is given, is the one that was connected to (443 has
 * been left out). */
static bool is_for_host(const struct exchange *x)
{
	const struct slice host = x->req->host, name = caller_host(x->caller);
	char port[8];
	int n;

	if (host.n < name.n || !slice_ieq(slice_of(host.p, name.n), name))
		return false;
	if (host.n == name.n)
		return true;
	n = snprintf(port, sizeof(port), ":%u", (unsigned)x->caller->flow.dport);
	return slice_eq(slice_of(host.p + name.n, host.n - name.n), slice_of(port, (size_t)n));
}

enum eg_reason classify_request(struct exchange *x, const char **ret_detail)
{
	const struct inspect_plan *plan = NULL;
	enum eg_reason reason;

	if (!find_provider(x)) {
		*ret_detail = "the name is no longer in the provider catalogue";
		return EG_REASON_unknown_operation;
	}
	reason = strip(x, ret_detail);
	record_provider(x);
	if (!is_for_host(x))
		return EG_REASON_host_mismatch;
	if (x->req->upgrade)
		return EG_REASON_upgrade_refused;
	if (reason != EG_REASON_allowed)
		return reason;
	reason = find_operation(x, &plan, ret_detail);
	if (reason != EG_REASON_allowed)
		return reason;
	record_provider(x);
	return inspect_begin(&x->inspect, x->op->body, plan, x->req, x->w->set.body_bytes, x->pool);
}

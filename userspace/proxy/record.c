/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/record.h"

#include <endian.h>

#include "audit/slab.h"
#include "base/clock.h"
#include "base/digest.h"
#include "proxy/exchange.h"
#include "proxy/generation.h"
#include "proxy/state.h"

#define KEY_LEAST 16u /* bytes: no key is shorter, and few other parts of a path are as long */

static void put(char *to, size_t size, struct slice s)
{
	(void)slice_copy(s, to, size);
}

#define PUT(field, s) put((field), sizeof(field), (s))

enum eg_reason record_open(struct exchange *x)
{
	struct share *s = x->caller->share;

	ids_next(&x->w->ids, x->id);
	if (x->w->slab && !share_may_record(x->w, s, slab_slots(x->w->slab)))
		return EG_REASON_overloaded;
	x->rec = x->w->slab ? slab_open(x->w->slab) : NULL;
	if (!x->rec)
		return EG_REASON_audit_unavailable;
	share_add_record(s);
	memcpy(x->rec->request_id, x->id, sizeof(x->id));
	x->rec->time_us = clock_wall_us();
	x->rec->worker = x->w->index;
	/* What stays if this process dies before it decides. */
	x->rec->decision = EG_REASON_worker_died;
	return EG_REASON_allowed;
}

void record_caller(struct exchange *x)
{
	struct eg_record *r = x->rec;
	const struct eg_flow *f = &x->caller->flow;
	/* A request that cannot be read belongs to whom the connection was found to belong to. */
	const struct attested *a = x->who ? x->who : x->caller->who;

	if (!r)
		return;
	r->cgroup = f->cgroup;
	r->start_ns = f->start_ns;
	r->pid = f->tgid;
	r->uid = f->uid;
	r->gid = f->gid;
	PUT(r->host, caller_host(x->caller));
	if (x->gen)
		r->generation = x->gen->number;
	if (!a)
		return;
	PUT(r->workload, slice_str(a->who.name));
	PUT(r->exe, slice_str(a->who.exe));
	PUT(r->cgroup_path, slice_str(a->who.cgroup_path));
	PUT(r->container, slice_str(a->who.container));
	if (a->who.has_hash) {
		memcpy(r->exe_sha256, a->who.exe_sha256, sizeof(r->exe_sha256));
		r->flags |= EG_RECORD_HASHED;
	}
}

void record_mask(const struct exchange *x, char *path)
{
	while (*path) {
		size_t n = (size_t)(strchrnul(path, '/') - path), prefix;

		if (n >= KEY_LEAST && x->gen &&
		    catalogue_find_key_prefix(x->gen->catalogue, slice_of(path, n), &prefix) >= 0)
			memset(path + prefix, '*', n - prefix);
		path += n + (path[n] == '/');
	}
}

void record_request(struct exchange *x)
{
	const char *query;
	size_t n;

	if (!x->rec || !x->req)
		return;
	query = memchr(x->req->target.p, '?', x->req->target.n);
	n = query ? (size_t)(query - x->req->target.p) : x->req->target.n;
	PUT(x->rec->method, x->req->method);
	PUT(x->rec->path, slice_of(x->req->target.p, n));
	record_mask(x, x->rec->path);
}

void record_provider(struct exchange *x)
{
	if (!x->rec)
		return;
	PUT(x->rec->provider, catalogue_provider(x->gen->catalogue, x->provider)->name);
	if (x->op)
		PUT(x->rec->operation, x->op->name);
}

void record_verdict(struct exchange *x)
{
	if (!x->rec)
		return;
	x->rec->decision = x->verdict.reason;
	PUT(x->rec->rule, x->verdict.rule);
	PUT(x->rec->shadow_rule, x->verdict.shadow_rule);
	PUT(x->rec->credential, x->verdict.credential);
	if (x->inspect.wants_stream)
		x->rec->flags |= EG_RECORD_STREAM;
}

void record_key(struct exchange *x, struct slice key)
{
	uint8_t hash[DIGEST_SIZE];
	struct slice secret = slice_of(x->w->fingerprint_key, sizeof(x->w->fingerprint_key));

	if (!x->rec)
		return;
	x->rec->flags |= EG_RECORD_DIRECT_KEY;
	if (digest_hmac(secret, key, hash) < 0)
		return;
	/* Big-endian, so that it is shown as the first 16 hex digits of the hash. */
	memcpy(&x->rec->key_fingerprint, hash, sizeof(x->rec->key_fingerprint));
	x->rec->key_fingerprint = be64toh(x->rec->key_fingerprint);
}

void record_denied(struct exchange *x, enum eg_reason reason, struct slice detail)
{
	if (!x->rec)
		return;
	x->rec->decision = reason;
	PUT(x->rec->detail, detail);
}

void record_commit(struct exchange *x)
{
	struct eg_record *r = TAKE_PTR(x->rec);

	if (!r)
		return;
	r->end = x->end;
	if (!x->decided)
		r->decision = x->end;
	r->bytes_in = x->body_in;
	/* Not the loop's: a refusal begins and ends in one callback. */
	r->total_us = clock_mono_us() - x->start_us;
	share_remove_record(x->caller->share);
	slab_commit(x->w->slab, r);
}

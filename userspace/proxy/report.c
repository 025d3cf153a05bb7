/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/report.h"

#include <arpa/inet.h>

#include "base/json.h"
#include "proxy/conn.h"
#include "proxy/generation.h"
#include "proxy/state.h"
#include "upstream/pool.h"

#define ROOM_LEFT 512u /* for what ends the text */

static const char *const states[] = {
	[CONN_HELLO] = "hello",	    [CONN_MINT] = "mint",      [CONN_HANDSHAKE] = "handshake",
	[CONN_OPEN] = "open",	    [CONN_CLOSED] = "closing", [CONN_PASSTHROUGH] = "passthrough",
	[CONN_CLOSING] = "closing",
};

static json_t *text(const char *p, size_t max)
{
	json_t *s = json_stringn(p, strnlen(p, max));

	return s ? s : json_string(""); /* not UTF-8: processes name themselves as they like */
}

static json_t *address(const struct eg_flow *f)
{
	char s[INET6_ADDRSTRLEN];
	bool four = f->dst.a[0] == 0 && f->dst.a[1] == 0 && f->dst.a[2] == htonl(0xffff);

	if (!inet_ntop(four ? AF_INET : AF_INET6,
		       four ? (const void *)&f->dst.a[3] : (const void *)f->dst.a, s, sizeof(s)))
		return json_null();
	return json_string(s);
}

static json_t *provider(struct conn *c)
{
	const struct generation *g = c->w->gen;
	const struct catalogue_provider *p;

	if (!g || c->caller.provider_generation != g->number || c->caller.provider < 0 ||
	    !c->caller.host_n)
		return json_null();
	p = catalogue_provider(g->catalogue, (unsigned)c->caller.provider);
	return json_stringn(p->name.p, p->name.n);
}

static json_t *row(struct conn *c)
{
	const struct eg_flow *f = &c->caller.flow;
	const struct attested *a = c->caller.who;
	json_t *o = json_pack(
		"{s:I, s:I, s:I, s:o, s:I, s:o, s:o, s:o, s:I, s:s, s:I, s:I, s:I, s:I}", "cookie",
		(json_int_t)f->cookie, "pid", (json_int_t)f->tgid, "uid", (json_int_t)f->uid,
		"comm", text(f->comm, sizeof(f->comm)), "cgroup", (json_int_t)f->cgroup, "host",
		text(c->caller.host, 256), "provider", provider(c), "dst", address(f), "dport",
		(json_int_t)f->dport, "state", states[c->state], "age_us",
		(json_int_t)(loop_now_us(c->w->loop) - c->since_us), "requests",
		(json_int_t)c->requests, "bytes_in", (json_int_t)c->bytes_in, "bytes_out",
		(json_int_t)c->bytes_out);

	if (o && a &&
	    (json_object_set_new(o, "workload", text(a->who.name, sizeof(a->who.name))) < 0 ||
	     json_object_set_new(o, "exe", text(a->who.exe, sizeof(a->who.exe))) < 0 ||
	     json_object_set_new(o, "cgroup_path",
				 text(a->who.cgroup_path, sizeof(a->who.cgroup_path))) < 0)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static int append(struct buf *ret, json_t *o)
{
	char *s = o ? json_dumps(o, JSON_COMPACT) : NULL;
	int r = s ? buf_append(ret, s, strlen(s)) : -ENOMEM;

	free(s);
	json_decref(o);
	return r;
}

static int append_stats(struct worker *w, struct buf *ret)
{
	struct upstream_stats u;

	upstream_get_stats(w->upstream, &u);
	return append(ret,
		      json_pack("{s:I, s:I, s:I, s:I, s:I}", "connections", (json_int_t)w->conns.n,
				"requests", (json_int_t)w->count.requests, "denied",
				(json_int_t)w->count.denied, "passed_through",
				(json_int_t)w->count.passed_through, "upstream_idle",
				(json_int_t)u.idle));
}

/* Rows of one list; *at counts through both. 1: no room for more. */
static int append_list(const struct conn_list *list, unsigned from, unsigned *at, bool *first,
		       struct buf *ret)
{
	struct conn *c;

	TAILQ_FOREACH(c, list, link)
	{
		int r;

		if ((*at)++ < from)
			continue;
		if (buf_len(ret) + 4096 > REPORT_MAX) {
			(*at)--;
			return 1;
		}
		r = *first ? 0 : buf_append_slice(ret, SLICE(","));
		if (r == 0)
			r = append(ret, row(c));
		if (r < 0)
			return r;
		*first = false;
	}
	return 0;
}

int report_write(struct worker *w, bool rows, unsigned from, struct buf *ret)
{
	unsigned at = 0;
	bool first = true;
	int r = buf_append_slice(ret, SLICE("{\"stats\":")), more = 0;

	if (r == 0)
		r = append_stats(w, ret);
	if (r == 0)
		r = buf_append_slice(ret, SLICE(",\"conns\":["));
	if (r == 0 && rows)
		more = append_list(&w->conns.busy, from, &at, &first, ret);
	if (r == 0 && rows && more == 0)
		more = append_list(&w->conns.idle, from, &at, &first, ret);
	if (r < 0 || more < 0)
		return r < 0 ? r : more;
	r = buf_append_slice(ret, SLICE("]"));
	if (r == 0 && more)
		r = buf_printf(ret, ",\"next\":%u", at);
	return r < 0 ? r : buf_append_slice(ret, SLICE("}"));
}

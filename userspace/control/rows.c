/* SPDX-License-Identifier: Apache-2.0 */
#include "control/rows.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/reason.h"
#include "base/utf8.h"

json_t *rows_text(const char *s, size_t max)
{
	size_t n = strnlen(s, max), at = 0;
	struct buf out;
	json_t *text;
	int r = 0;

	buf_init(&out, n * 3 + 1);
	while (at < n && r == 0) {
		size_t len = utf8_length(slice_of(s + at, n - at));

		r = len ? buf_append(&out, s + at, len) : buf_append(&out, "\xef\xbf\xbd", 3);
		at += len ? len : 1;
	}
	text = r == 0 ? json_stringn(buf_slice(&out).p, buf_len(&out)) : NULL;
	buf_release(&out);
	return text;
}

void rows_address(const struct eg_addr *a, char *to, size_t size)
{
	if (a->a[0] == 0 && a->a[1] == 0 && a->a[2] == htonl(0xffff))
		(void)inet_ntop(AF_INET, &a->a[3], to, (socklen_t)size);
	else
		(void)inet_ntop(AF_INET6, a, to, (socklen_t)size);
}

static json_t *number_if(bool is_known, uint64_t n)
{
	return is_known ? json_integer((json_int_t)n) : json_null();
}

json_t *rows_prog(const struct inspect_prog *p)
{
	return json_pack("{ss ss sb sI sI sI sI sI so so}", "name", p->name, "attach_type",
			 p->attach_type, "attached", p->attached, "id", (json_int_t)p->id,
			 "link_id", (json_int_t)p->link_id, "cgroup", (json_int_t)p->cgroup,
			 "loaded_ns", (json_int_t)p->loaded_ns, "insns", (json_int_t)p->insns,
			 "run_cnt", number_if(p->is_counted, p->run_cnt), "run_ns",
			 number_if(p->is_counted, p->run_ns));
}

json_t *rows_map(const struct inspect_map *m)
{
	json_t *row =
		json_pack("{ss ss sI ss sI sI sI sI}", "name", m->name, "text", m->text, "id",
			  (json_int_t)m->id, "type", m->type_name, "key_size",
			  (json_int_t)m->key_size, "value_size", (json_int_t)m->value_size,
			  "max_entries", (json_int_t)m->max_entries, "bytes", (json_int_t)m->bytes);

	if (row && m->entries >= 0)
		(void)json_object_set_new(row, "entries", json_integer(m->entries));
	return row;
}

json_t *rows_hook(const struct inspect_hook *h)
{
	json_t *rivals = json_array();

	for (unsigned i = 0; i < h->n_rivals && i < ARRAY_SIZE(h->rival); i++)
		(void)json_array_append_new(
			rivals, json_pack("{sI so}", "id", (json_int_t)h->rival[i].id, "name",
					  rows_text(h->rival[i].name, sizeof(h->rival[i].name))));
	return json_pack("{ss ss sb so}", "name", h->name, "attach_type", h->attach_type,
			 "attached", h->attached, "rivals", rivals);
}

static json_int_t age_us(uint64_t since_ns, uint64_t now_ns)
{
	return since_ns && now_ns > since_ns ? (json_int_t)((now_ns - since_ns) / 1000) : 0;
}

/* Provider index + 1, as the kernel holds it: a name when the caller knows it. */
static json_t *provider_text(uint32_t provider, const char *name)
{
	char number[16];

	if (name)
		return rows_text(name, strlen(name));
	if (provider == 0)
		return json_null();
	(void)snprintf(number, sizeof(number), "#%u", provider - 1);
	return json_string(number);
}

static const char *source_name(uint32_t source)
{
	static const char *const names[] = { [EG_ENDPOINT_CATALOGUE] = "catalogue",
					     [EG_ENDPOINT_RESOLVED] = "resolved",
					     [EG_ENDPOINT_LEARNED] = "dns",
					     [EG_ENDPOINT_TRIPWIRE] = "tripwire",
					     [EG_ENDPOINT_OWN_DNS] = "own_dns" };

	return source < ARRAY_SIZE(names) && names[source] ? names[source] : "unknown";
}

json_t *rows_endpoint(const struct eg_endpoint_key *k, const struct eg_endpoint *e,
		      const char *provider, uint64_t now_ns)
{
	char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8];
	unsigned bits = k->prefix_len;

	rows_address(&k->addr, address, sizeof(address));
	if (!strchr(address, ':') && bits >= 96)
		bits -= 96;
	(void)snprintf(text, sizeof(text), "%s/%u", address, bits);
	return json_pack("{ss so ss sI}", "address", text, "provider",
			 provider_text(e->provider, provider), "source", source_name(e->source),
			 "age_us", age_us(e->since_ns, now_ns));
}

json_t *rows_learned(const struct eg_learned_entry *e, const struct cgroup_item *of,
		     const char *provider, uint64_t now_ns)
{
	const struct eg_endpoint_key key = { .prefix_len = 128, .addr = e->addr };
	const struct eg_endpoint as = { .provider =
						e->provider == EG_PROVIDER_LOOK ? 0 : e->provider,
					.source = e->source,
					.since_ns = e->time_ns };
	json_t *row = rows_endpoint(&key, &as, provider, now_ns);

	if (row) {
		(void)json_object_set_new(row, "cgroup", json_integer((json_int_t)of->id));
		(void)json_object_set_new(row, "cgroup_path",
					  rows_text(of->path, strlen(of->path)));
	}
	return row;
}

json_t *rows_cgroup(const struct cgroup_item *i)
{
	static const char *const captures[] = { "names", "tls", "all" };
	uint32_t capture = i->mode.capture;

	return json_pack("{sI so sI ss ss sb sI}", "cgroup", (json_int_t)i->id, "cgroup_path",
			 rows_text(i->path, strlen(i->path)), "depth", (json_int_t)i->depth,
			 "capture", capture < ARRAY_SIZE(captures) ? captures[capture] : "unknown",
			 "egress", i->mode.egress == EG_EGRESS_DENY ? "deny" : "allow", "own",
			 i->has_own, "processes", (json_int_t)cgroup_processes(i->fd));
}

json_t *rows_flow(const struct eg_flow *f, const char *provider, uint64_t now_ns)
{
	char address[INET6_ADDRSTRLEN];

	rows_address(&f->dst, address, sizeof(address));
	return json_pack("{sI sI sI sI sI so ss si so sI}", "cookie", (json_int_t)f->cookie, "pid",
			 (json_int_t)f->tgid, "uid", (json_int_t)f->uid, "cgroup",
			 (json_int_t)f->cgroup, "netns", (json_int_t)f->netns, "comm",
			 rows_text(f->comm, sizeof(f->comm)), "dst", address, "dport",
			 (int)f->dport, "provider", provider_text(f->provider, provider), "age_us",
			 age_us(f->time_ns, now_ns));
}

int rows_counts(const struct inspect_counts *c, rows_fn fn, void *ctx)
{
	const struct {
		const char *name;
		uint64_t count;
	} others[] = { { "events_lost", c->events_lost }, { "events_limited", c->events_limited },
		       { "dns_answers", c->dns_answers }, { "dns_learned", c->dns_learned },
		       { "dns_bad", c->dns_bad },	  { "dns_ech", c->dns_ech },
		       { "sni_other", c->sni_other },	  { "sni_none", c->sni_none } };
	int r = 0;

	for (uint32_t h = 0; h < EG_HOOK_COUNT; h++)
		for (uint32_t k = 0; k < EG_REASON_COUNT && r == 0; k++)
			if (c->by[h][k])
				r = fn(ctx,
				       json_pack("{ss ss sI}", "hook", hook_name(h), "reason",
						 reason_name(k), "count", (json_int_t)c->by[h][k]));
	for (size_t i = 0; i < ARRAY_SIZE(others) && r == 0; i++)
		r = fn(ctx, json_pack("{ss sI}", "hook", others[i].name, "count",
				      (json_int_t)others[i].count));
	return r;
}

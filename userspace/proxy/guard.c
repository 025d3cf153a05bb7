/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/guard.h"

#include <stdio.h>

#include "proxy/exchange.h"
#include "proxy/generation.h"
#include "proxy/state.h"

#define HELD_MAX ((size_t)64 * 1024)
#define RUN	 8u /* bytes of a key that may not be seen */
#define MARKS	 65536u /* bits */

/* Which values eight bytes of the key may have, by hash: so that looking is one pass. */
struct marks {
	struct slice secret; /* the key behind its public prefix */
	unsigned run;
	uint8_t bits[MARKS / 8];
};

static unsigned mark_of(const char *p, unsigned n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return (unsigned)((v * 0x9e3779b97f4a7c15u) >> 48);
}

static void make_marks(const struct exchange *x, struct marks *m)
{
	struct slice key = secret_slice(&x->lease->key);
	size_t prefix = 0;

	if (catalogue_find_key_prefix(x->gen->catalogue, key, &prefix) < 0)
		prefix = 0;
	memset(m->bits, 0, sizeof(m->bits));
	m->secret = slice_of(key.p + prefix, key.n - prefix);
	m->run = m->secret.n < RUN ? (unsigned)m->secret.n : RUN;
	for (size_t i = 0; m->run && i + m->run <= m->secret.n; i++) {
		unsigned at = mark_of(m->secret.p + i, m->run);

		m->bits[at / 8] |= (uint8_t)(1u << at % 8);
	}
}

static bool shows(const struct marks *m, struct slice s)
{
	for (size_t i = 0; m->run && i + m->run <= s.n; i++) {
		unsigned at = mark_of(s.p + i, m->run);

		if (m->bits[at / 8] & (1u << at % 8) &&
		    memmem(m->secret.p, m->secret.n, s.p + i, m->run))
			return true;
	}
	return false;
}

bool guard_is_refusal(const struct exchange *x, const struct http_response *r)
{
	return x->lease && r->status == 401;
}

bool guard_begin(struct exchange *x, const struct http_response *r)
{
	if (!x->lease || r->status != 403)
		return false;
	buf_init(&x->held, HELD_MAX);
	return true;
}

static bool is_ours(const struct http_field *f)
{
	const struct slice prefix = SLICE("egret-");

	return f->id == HTTP_other && f->name.n > prefix.n &&
	       slice_ieq(slice_of(f->name.p, prefix.n), prefix);
}

static bool has_key(const struct exchange *x, struct slice value)
{
	struct slice key;

	if (!x->lease)
		return false;
	key = secret_slice(&x->lease->key);
	return key.n && value.n >= key.n && memmem(value.p, value.n, key.p, key.n);
}

size_t guard_strip(const struct exchange *x, struct http_field *f, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_ours(&f[i]) && !has_key(x, f[i].value))
			f[kept++] = f[i];
	return kept;
}

size_t guard_trailers(const struct exchange *x, struct http_field *f, size_t n)
{
	bool keyed = catalogue_provider(x->gen->catalogue, x->provider)->credential_field.n > 0;

	return keyed && (!x->lease || !x->answered) ? 0 : guard_strip(x, f, n);
}

int guard_hold(struct exchange *x, struct slice piece)
{
	return buf_append_slice(&x->held, piece);
}

/* What is compressed cannot be looked at. */
static bool is_readable(const struct http_response *r)
{
	const struct http_field *f = http_find(r->fields, r->n_fields, HTTP_content_encoding);

	return !f || slice_ieq(f->value, SLICE("identity"));
}

bool guard_is_clean(const struct exchange *x, const struct http_response *r)
{
	struct marks m;
	bool clean;

	if (!x->lease || !is_readable(r))
		return false;
	make_marks(x, &m);
	clean = !shows(&m, buf_slice(&x->held));
	for (size_t i = 0; clean && i < r->n_fields; i++)
		clean = !shows(&m, r->fields[i].value);
	explicit_bzero(&m, sizeof(m));
	return clean;
}

void guard_refuse(struct exchange *x, unsigned status)
{
	struct slice id = x->verdict.credential;
	const char *what = pool_printf(x->pool, "credential \"" SLICE_FMT "\", status %u",
				       SLICE_ARG(id), status);
	char text[EG_NAME_MAX + 128];

	(void)snprintf(text, sizeof(text),
		       "check the key of credential \"" SLICE_FMT "\" (`egret credential list`): "
		       "the provider answered %u to it",
		       SLICE_ARG(id), status);
	note_caller(x->w, x->caller, EG_REASON_credential_refused, text);
	exchange_fail(x, EG_REASON_credential_refused, what);
}

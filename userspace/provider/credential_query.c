/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/credential_query.h"

#define NAME_MAX_DECODED 64

/* Names compare in any case. The place is what the record says. */
static const struct {
	const char *name, *place;
} names[] = {
	{ "key", "query key" },
	{ "api_key", "query api_key" },
	{ "api-key", "query api-key" },
	{ "apikey", "query apikey" },
	{ "x-api-key", "query x-api-key" },
	{ "x-goog-api-key", "query x-goog-api-key" },
	{ "access_token", "query access_token" },
	{ "bearer_token", "query bearer_token" },
	{ "oauth_token", "query oauth_token" },
	{ "auth_token", "query auth_token" },
	{ "token", "query token" },
	{ "authorization", "query authorization" },
	{ "subscription-key", "query subscription-key" },
	{ "ocp-apim-subscription-key", "query ocp-apim-subscription-key" },
	{ "awsaccesskeyid", "query awsaccesskeyid" },
	{ "signature", "query signature" },
};

/* Parameters by which some servers take another method or type than the head's, which is what
 * policy has seen. No credential; they go without a word. */
static const char *const overrides[] = {
	"$httpmethod",
	"$ct",
	"_method",
	"x-http-method-override",
};

static int hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = ascii_lower(ch);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Decodes %XX and '+'; what is no escape stays as it is, as servers read it. At most s.n bytes. */
static size_t percent_decode(struct slice s, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int hi = s.p[i] == '%' && i + 2 < s.n ? hex(s.p[i + 1]) : -1;
		int lo = hi >= 0 ? hex(s.p[i + 2]) : -1;

		if (lo >= 0) {
			to[n++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			to[n++] = s.p[i] == '+' ? ' ' : s.p[i];
		}
	}
	return n;
}

/* Where a parameter of that (decoded) name is a credential; empty: it is none. */
static struct slice place_of(const struct catalogue *c, struct slice name)
{
	static const struct slice signature = { "query x-amz-signature", 21 };

	/* Google takes its own parameters with a dollar in front, too. */
	if (name.n && name.p[0] == '$')
		name = slice_of(name.p + 1, name.n - 1);
	if (name.n >= 6 && slice_ieq(slice_of(name.p, 6), SLICE("x-amz-")))
		return signature;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (slice_ieq(name, slice_str(names[i].name)))
			return slice_str(names[i].place);
	if (catalogue_find_credential_field(c, name).n)
		return SLICE("query field");
	return slice_of("", 0);
}

static bool is_override(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(overrides); i++)
		if (slice_ieq(name, slice_str(overrides[i])))
			return true;
	return false;
}

/* 1: `parameter` (name=value) is a credential, or an override, and goes; 0: it stays. */
static int judge(struct credential_search *s, struct slice parameter)
{
	const char *equals = memchr(parameter.p, '=', parameter.n);
	size_t n = equals ? (size_t)(equals - parameter.p) : parameter.n;
	struct slice raw = equals ? slice_of(equals + 1, parameter.n - n - 1) : slice_of("", 0);
	struct slice place = { "", 0 }, value, decoded_name = { "", 0 };
	char name[NAME_MAX_DECODED * 3];
	char *decoded;

	if (n <= sizeof(name))
		decoded_name = slice_of(name, percent_decode(slice_of(parameter.p, n), name));
	if (is_override(decoded_name))
		return 1;
	place = place_of(s->c, decoded_name);
	decoded = pool_alloc(s->pool, raw.n + 1);
	if (!decoded)
		return -errno;
	value = slice_of(decoded, percent_decode(raw, decoded));
	if (place.n)
		credential_value_report_any(s, value, place);
	else if (!credential_value_report_known(s, value, SLICE("query parameter")))
		return 0;
	return 1;
}

/* End of the parameter that begins at `at`. Some servers part parameters by ';' too. */
static size_t parameter_end(struct slice target, size_t at)
{
	while (at < target.n && target.p[at] != '&' && target.p[at] != ';')
		at++;
	return at;
}

int credential_query_strip(struct credential_search *s, struct slice *target)
{
	const char *question = memchr(target->p, '?', target->n);
	size_t at = question ? (size_t)(question - target->p) : target->n;
	size_t n = at; /* bytes of `kept` */
	bool changed = false;
	char *kept;

	if (at == target->n)
		return 0;
	kept = pool_alloc(s->pool, target->n);
	if (!kept)
		return -errno;
	memcpy(kept, target->p, n);
	/* Each parameter is copied with the '?', '&' or ';' before it. */
	while (at < target->n) {
		size_t end = parameter_end(*target, at + 1);
		int r = judge(s, slice_of(target->p + at + 1, end - at - 1));

		if (r < 0)
			return r;
		if (r == 0) {
			size_t first = n;

			memcpy(kept + n, target->p + at, end - at);
			n += end - at;
			/* The first one to stay follows the '?'. */
			if (changed && first == (size_t)(question - target->p))
				kept[first] = '?';
		}
		changed |= r > 0;
		at = end;
	}
	if (changed)
		*target = slice_of(kept, n);
	return 0;
}

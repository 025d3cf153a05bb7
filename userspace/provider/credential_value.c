/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/credential_value.h"

/* Shorter values that begin like a key are words: "sk-SK" in Accept-Language. */
#define KNOWN_KEY_MIN 20
#define BASIC_MAX     512

#define SCHEME_MAX    7 /* bytes of the longest */

static const char *const schemes[] = { "bearer", "basic", "token", "apikey", "api-key", "key" };

/* True when `value` is a scheme and nothing else, or a scheme and *ret_rest. */
static bool cut_scheme(struct slice value, struct slice *ret_scheme, struct slice *ret_rest)
{
	size_t n = 0;

	while (n < value.n && n <= SCHEME_MAX && value.p[n] != ' ' && value.p[n] != '\t')
		n++;
	if (n > SCHEME_MAX)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (!slice_ieq(slice_of(value.p, n), slice_str(schemes[i])))
			continue;
		*ret_scheme = slice_str(schemes[i]);
		*ret_rest = slice_trim(slice_of(value.p + n, value.n - n));
		return true;
	}
	return false;
}

static int base64_digit(char ch)
{
	if (ch >= 'A' && ch <= 'Z')
		return ch - 'A';
	if (ch >= 'a' && ch <= 'z')
		return ch - 'a' + 26;
	if (ch >= '0' && ch <= '9')
		return ch - '0' + 52;
	return ch == '+' ? 62 : ch == '/' ? 63 : -1;
}

/* Bytes written; 0: not base64, or too long to be of interest. */
static size_t base64_decode(struct slice s, char *to, size_t size)
{
	size_t n = 0;
	uint32_t bits = 0;
	unsigned have = 0;

	while (s.n > 0 && s.p[s.n - 1] == '=')
		s.n--;
	for (size_t i = 0; i < s.n; i++) {
		int digit = base64_digit(s.p[i]);

		if (digit < 0 || n == size)
			return 0;
		bits = bits << 6 | (unsigned)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (char)(bits >> have & 0xff);
		}
	}
	return n;
}

/* user:password of Basic, where each part is empty or a placeholder and one is not empty. */
static bool is_basic_placeholder(const struct catalogue *c, struct slice encoded)
{
	char text[BASIC_MAX];
	size_t n = base64_decode(encoded, text, sizeof(text));
	const char *colon = memchr(text, ':', n);
	struct slice user = slice_of(text, colon ? (size_t)(colon - text) : n);
	struct slice password = slice_of(text + user.n + 1, colon ? n - user.n - 1 : 0);

	if (user.n == 0 && password.n == 0)
		return false;
	return (user.n == 0 || catalogue_is_placeholder(c, user)) &&
	       (password.n == 0 || catalogue_is_placeholder(c, password));
}

enum credential_value credential_value_of(const struct catalogue *c, struct slice value,
					  struct slice *ret_bare)
{
	struct slice bare = slice_trim(value), scheme = { "", 0 };

	(void)cut_scheme(bare, &scheme, &bare);
	*ret_bare = bare;
	if (bare.n == 0)
		return CREDENTIAL_EMPTY;
	if (catalogue_is_placeholder(c, bare))
		return CREDENTIAL_PLACEHOLDER;
	if (slice_eq(scheme, SLICE("basic")) && is_basic_placeholder(c, bare))
		return CREDENTIAL_PLACEHOLDER;
	return CREDENTIAL_KEY;
}

static bool is_key_byte(char ch)
{
	return (ch >= '0' && ch <= '9') || (ascii_lower(ch) >= 'a' && ascii_lower(ch) <= 'z') ||
	       ch == '-' || ch == '_' || ch == '.';
}

bool credential_value_is_known_key(const struct catalogue *c, struct slice value,
				   struct slice *ret_bare)
{
	struct slice bare = slice_trim(value), scheme;
	size_t n = 0, length;

	if (bare.n < KNOWN_KEY_MIN)
		return false;
	(void)cut_scheme(bare, &scheme, &bare);
	while (n < bare.n && is_key_byte(bare.p[n]))
		n++;
	if (n < KNOWN_KEY_MIN || catalogue_find_key_prefix(c, bare, &length) < 0)
		return false;
	*ret_bare = bare;
	return true;
}

/* Whose key it is; the request's own provider where several share the prefix ("sk-"). */
static struct slice hint_of(const struct credential_search *s, struct slice bare)
{
	const struct catalogue_provider *own = catalogue_provider(s->c, s->provider);
	size_t n;
	int first = catalogue_find_key_prefix(s->c, bare, &n);

	if (first < 0)
		return slice_of("", 0);
	for (size_t i = 0; own && i < own->n_key_prefixes; i++)
		if (slice_eq(own->key_prefixes[i], slice_of(bare.p, n)))
			return own->name;
	return catalogue_provider(s->c, (unsigned)first)->name;
}

void credential_value_report(struct credential_search *s, struct slice bare, struct slice place)
{
	if (s->found.direct)
		return;
	s->found = (struct credential_found){
		.direct = true,
		.value = bare,
		.place = place,
		.provider_hint = hint_of(s, bare),
	};
}

bool credential_value_report_known(struct credential_search *s, struct slice value,
				   struct slice place)
{
	struct slice bare;

	if (!credential_value_is_known_key(s->c, value, &bare))
		return false;
	if (!catalogue_is_placeholder(s->c, bare))
		credential_value_report(s, bare, place);
	return true;
}

void credential_value_report_any(struct credential_search *s, struct slice value,
				 struct slice place)
{
	struct slice bare;

	if (credential_value_of(s->c, value, &bare) == CREDENTIAL_KEY)
		credential_value_report(s, bare, place);
}

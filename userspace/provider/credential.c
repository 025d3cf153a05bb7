/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/credential.h"

#include "provider/credential_query.h"

/* Fields that carry credentials somewhere, beside those that the catalogue knows. */
#define FIELDS(X)                                                                                  \
	X("authorization")                                                                         \
	X("proxy-authorization")                                                                   \
	X("x-api-key")                                                                             \
	X("api-key")                                                                               \
	X("x-goog-api-key")                                                                        \
	X("apikey")                                                                                \
	X("x-apikey")                                                                              \
	X("x-api-token")                                                                           \
	X("x-auth-token")                                                                          \
	X("x-auth-key")                                                                            \
	X("x-access-token")                                                                        \
	X("x-amz-security-token")                                                                  \
	X("x-goog-iam-authorization-token")                                                        \
	X("x-openai-api-key")                                                                      \
	X("x-anthropic-api-key")                                                                   \
	X("ocp-apim-subscription-key")

/* Fields that choose whose account a key bills, among those it may: the key is egret's, so is the
 * choice (a policy may add them). No credential; they go without a word. */
#define ACCOUNT_FIELDS(X)                                                                          \
	X("openai-organization")                                                                   \
	X("openai-project")                                                                        \
	X("x-goog-user-project")

#define NAME(s)	  { (s), sizeof(s) - 1 },
#define LENGTH(s) | UINT64_C(1) << (sizeof(s) - 1)
static const struct slice fields[] = { FIELDS(NAME) };
static const struct slice account_fields[] = { ACCOUNT_FIELDS(NAME) };
/* As bits: most fields of a request are as long as none of these. */
static const uint64_t lengths = 0 FIELDS(LENGTH) ACCOUNT_FIELDS(LENGTH);
#undef NAME
#undef LENGTH

static bool may_be_listed(struct slice name)
{
	return name.n < 64 && lengths >> name.n & 1;
}

/* In any case, and with '_' for '-': servers behind CGI and its kin cannot tell them apart. */
static bool is_field(struct slice name, struct slice field)
{
	if (name.n != field.n)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (ascii_lower(name.p[i]) != field.p[i] &&
		    !(name.p[i] == '_' && field.p[i] == '-'))
			return false;
	return true;
}

/* The name (static, or in the catalogue) of a field that is a place for credentials, or empty. */
static struct slice place_of(const struct catalogue *c, const struct http_field *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields) && may_be_listed(f->name); i++)
		if (is_field(f->name, fields[i]))
			return fields[i];
	/* Every field that http.h knows and that is such a place is in the list above. */
	return f->id == HTTP_other ? catalogue_find_credential_field(c, f->name) : slice_of("", 0);
}

static bool is_account(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(account_fields) && may_be_listed(name); i++)
		if (is_field(name, account_fields[i]))
			return true;
	return false;
}

/* Cuts up to the separator off *rest. */
static struct slice next_item(struct slice *rest, char separator)
{
	const char *end = memchr(rest->p, separator, rest->n);
	size_t n = end ? (size_t)(end - rest->p) : rest->n;
	struct slice item = slice_trim(slice_of(rest->p, n));

	n += end ? 1 : 0;
	*rest = slice_of(rest->p + n, rest->n - n);
	return item;
}

/* Cookies always go; a key among them is reported. */
static void look_at_cookies(struct credential_search *s, struct slice value)
{
	while (value.n) {
		struct slice item = next_item(&value, ';');
		const char *equals = memchr(item.p, '=', item.n);
		size_t n = equals ? (size_t)(equals - item.p) + 1 : 0;
		struct slice v = slice_of(item.p + n, item.n - n);

		if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
			v = slice_of(v.p + 1, v.n - 2);
		(void)credential_value_report_known(s, v, SLICE("cookie"));
	}
}

/* Subprotocols after which the next one is the credential. */
static bool announces_key(struct slice item)
{
	return slice_ieq(item, SLICE("token")) || slice_ieq(item, SLICE("bearer")) ||
	       slice_ieq(item, SLICE("access_token"));
}

/* True for a subprotocol that is a credential: "openai-insecure-api-key.KEY", or a key itself. */
static bool is_key_protocol(struct credential_search *s, struct slice item, struct slice before)
{
	static const struct slice place = { "sec-websocket-protocol", 22 };
	const struct slice marker = SLICE("openai-insecure-api-key.");

	if (slice_has_prefix(item, marker))
		item = slice_of(item.p + marker.n, item.n - marker.n);
	else if (!announces_key(before))
		return credential_value_report_known(s, item, place);
	credential_value_report_any(s, item, place);
	return true;
}

/* Takes the credentials out of a list of subprotocols. */
static int strip_protocols(struct credential_search *s, struct slice *value)
{
	struct slice rest = *value, before = { "", 0 };
	char *kept = pool_alloc(s->pool, value->n + 2);
	size_t n = 0;

	if (!kept)
		return -errno;
	while (rest.n) {
		struct slice item = next_item(&rest, ',');
		bool goes = is_key_protocol(s, item, before);

		before = item;
		if (goes || item.n == 0)
			continue;
		if (n)
			kept[n++] = ',';
		memcpy(kept + n, item.p, item.n);
		n += item.n;
	}
	*value = slice_of(kept, n);
	return 0;
}

/* 1: the field stays (perhaps changed); 0: it goes. */
static int judge(struct credential_search *s, struct http_field *f)
{
	struct slice place = place_of(s->c, f);
	int r;

	if (place.n) {
		credential_value_report_any(s, f->value, place);
		return 0;
	}
	if (f->id == HTTP_other && is_account(f->name))
		return 0;
	if (f->id == HTTP_cookie) {
		look_at_cookies(s, f->value);
		return 0;
	}
	if (f->id == HTTP_sec_websocket_protocol) {
		r = strip_protocols(s, &f->value);
		return r < 0 ? r : f->value.n > 0;
	}
	return !credential_value_report_known(s, f->value, SLICE("another field"));
}

int credential_strip(const struct catalogue *c, unsigned provider, struct http_request *req,
		     struct pool *pool, struct credential_found *ret)
{
	struct credential_search s = { .c = c, .provider = provider, .pool = pool };
	size_t kept = 0;
	int r;

	for (size_t i = 0; i < req->n_fields; i++) {
		struct http_field f = req->fields[i];

		r = judge(&s, &f);
		if (r < 0)
			return r;
		if (r)
			req->fields[kept++] = f;
	}
	r = credential_query_strip(&s, &req->target);
	if (r < 0)
		return r;
	req->n_fields = kept;
	*ret = s.found;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/draft_value.h"

#include <stdio.h>

#include "base/nearest.h"
#include "provider/catalogue.h"

#define HEADER_VALUE_MAX 1024

static int fail(const struct nearest *near, char *why, size_t size, const char *what)
{
	char hint[128];

	nearest_hint(near, hint, sizeof(hint));
	(void)snprintf(why, size, "names \"%.*s\", %s%s",
		       near->word.n < 63 ? (int)near->word.n : 63, near->word.p, what, hint);
	return -EINVAL;
}

static int check_workload(const struct draft *dr, struct slice value, char *why, size_t size)
{
	struct nearest near;

	if (names_find(&dr->workload_names, value) >= 0)
		return 0;
	nearest_init(&near, value);
	for (size_t i = 0; i < dr->workload_names.n; i++)
		nearest_offer(&near, dr->workload_names.name[i]);
	return fail(&near, why, size, "which \"workloads\" does not define");
}

static int check_label(const struct draft *dr, struct slice label, struct slice value, char *why,
		       size_t size)
{
	struct nearest near;

	if (draft_find_label(dr, label, value) >= 0)
		return 0;
	nearest_init(&near, value);
	for (size_t i = 0; i < dr->labels.n; i++) {
		struct slice pair = dr->labels.name[i];

		if (slice_has_prefix(pair, label) && pair.n > label.n && pair.p[label.n] == '=')
			nearest_offer(&near, slice_of(pair.p + label.n + 1, pair.n - label.n - 1));
	}
	return fail(&near, why, size, "which no workload has as that label");
}

static int check_provider(const struct draft *dr, struct slice value, char *why, size_t size)
{
	struct nearest near;

	if (catalogue_find_provider(dr->cat, value) >= 0)
		return 0;
	nearest_init(&near, value);
	for (unsigned i = 0; i < catalogue_providers(dr->cat); i++)
		nearest_offer(&near, catalogue_provider(dr->cat, i)->name);
	return fail(&near, why, size, "a provider that the catalogue does not know");
}

static int check_trust(struct slice value, char *why, size_t size)
{
	struct nearest near;

	nearest_init(&near, value);
	nearest_offer(&near, SLICE("public"));
	nearest_offer(&near, SLICE("private"));
	if (slice_eq(value, SLICE("public")) || slice_eq(value, SLICE("private")))
		return 0;
	return fail(&near, why, size, "but a provider is \"public\" or \"private\"");
}

static int check_operation(const struct draft *dr, struct slice value, char *why, size_t size)
{
	struct nearest near;

	if (catalogue_find_kind(dr->cat, value) >= 0)
		return 0;
	nearest_init(&near, value);
	for (unsigned i = 0; i < catalogue_kinds(dr->cat); i++)
		nearest_offer(&near, catalogue_kind_name(dr->cat, i));
	return fail(&near, why, size, "an operation that the catalogue does not know");
}

static int check_model(struct slice value, char *why, size_t size)
{
	bool ok = value.n && value.n <= DRAFT_MODEL_MAX;

	for (size_t i = 0; i < value.n && ok; i++)
		ok = (unsigned char)value.p[i] > 0x20 && value.p[i] != 0x7f;
	if (ok)
		return 0;
	(void)snprintf(
		why, size,
		"must be 1 to %d bytes without spaces or control characters; * stands for any "
		"number of bytes, ? for one",
		DRAFT_MODEL_MAX);
	return -EINVAL;
}

int draft_value_check(const struct draft *dr, const struct draft_cond *c, struct slice value,
		      char *why, size_t size)
{
	switch (c->dim) {
	case IMAGE_DIM_WORKLOAD:
		return check_workload(dr, value, why, size);
	case IMAGE_DIM_LABEL:
		return check_label(dr, c->label, value, why, size);
	case IMAGE_DIM_PROVIDER:
		return check_provider(dr, value, why, size);
	case IMAGE_DIM_TRUST:
		return check_trust(value, why, size);
	case IMAGE_DIM_MODEL:
		return check_model(value, why, size);
	case IMAGE_DIM_OPERATION:
		return check_operation(dr, value, why, size);
	case IMAGE_DIM_COUNT:
		break;
	}
	return -EINVAL;
}

/* Fields that frame a message, belong to one hop, or carry credentials or cookies: egret's own. */
static bool is_reserved(const struct draft *dr, struct slice name)
{
	static const char *const reserved[] = {
		"accept-encoding",
		"api-key",
		"authorization",
		"connection",
		"content-encoding",
		"content-length",
		"content-type",
		"cookie",
		"expect",
		"host",
		"http2-settings",
		"keep-alive",
		"te",
		"trailer",
		"transfer-encoding",
		"upgrade",
		"x-api-key",
		"x-goog-api-key",
	};

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (slice_ieq(name, slice_str(reserved[i])))
			return true;
	for (unsigned i = 0; i < catalogue_providers(dr->cat); i++)
		if (slice_ieq(name, catalogue_provider(dr->cat, i)->credential_field))
			return true;
	return (name.n >= 6 && slice_ieq(slice_of(name.p, 6), SLICE("proxy-"))) ||
	       (name.n >= 14 && slice_ieq(slice_of(name.p, 14), SLICE("sec-websocket-")));
}

/* RFC 9110, 5.6.2. */
static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], lower = ascii_lower(c);

		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') &&
		    (!c || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return s.n > 0;
}

/* RFC 9110, 5.5, without obs-text: visible ASCII, spaces and tabs inside only. */
static bool is_field_value(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 0x20 || s.p[i] > 0x7e) && s.p[i] != '\t')
			return false;
	return s.p && s.n && slice_trim(s).n == s.n;
}

int draft_value_header(const struct draft *dr, const struct draft_rule *rule,
		       struct draft_pair header, char *why, size_t size)
{
	int shown = header.name.n < 63 ? (int)header.name.n : 63;
	const char *what = NULL;

	if (!is_token(header.name) || header.name.n > 63)
		what = "is no header name (a token of at most 63 bytes)";
	else if (is_reserved(dr, header.name))
		what = "is set by egret or belongs to one connection; a rule cannot add it";
	for (size_t i = 0; i < rule->n_headers && !what; i++)
		if (slice_ieq(rule->headers[i].name, header.name))
			what = "is there twice; header names have no case";
	if (what) {
		(void)snprintf(why, size, "header \"%.*s\" %s", shown, header.name.p, what);
		return -EDOM;
	}
	if (is_field_value(header.value) && header.value.n <= HEADER_VALUE_MAX)
		return 0;
	(void)snprintf(why, size,
		       "header \"%.*s\": its value must be a string of 1 to %d printable ASCII "
		       "characters",
		       shown, header.name.p, HEADER_VALUE_MAX);
	return -EINVAL;
}

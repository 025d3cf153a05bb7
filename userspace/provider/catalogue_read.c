/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/catalogue_read.h"

#define TEXT_MAX   255
#define PATH_STEPS 8 /* names and [] in a path: as many as proto/json_path.h takes */

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(struct slice s)
{
	if (s.n > 63 || !is_lower(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_lower(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return true;
}

static bool is_text(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return true;
}

static bool is_env(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'A' && s.p[i] <= 'Z') && s.p[i] != '_' && !(i && is_digit(s.p[i])))
			return false;
	return true;
}

static bool is_word(char c)
{
	return is_lower(ascii_lower(c)) || is_digit(c) || c == '_' || c == '-';
}

/* name, or name[] for every element of an array, joined by dots; as many as a scan takes. */
static bool is_json_path(struct slice s)
{
	unsigned steps = 0;
	size_t i = 0;

	for (;;) {
		if (i >= s.n || !is_word(s.p[i]) || ++steps > PATH_STEPS)
			return false;
		while (i < s.n && is_word(s.p[i]))
			i++;
		if (i + 1 < s.n && s.p[i] == '[' && s.p[i + 1] == ']') {
			i += 2;
			steps++;
		}
		if (i == s.n)
			return s.p[i - 1] != ']';
		if (s.p[i++] != '.')
			return false;
	}
}

const struct catalogue_rule catalogue_rule_name = {
	"lower-case letters, digits, '-' and '_', a letter first, at most 63", is_name
};
const struct catalogue_rule catalogue_rule_field = { "the name of an HTTP field in lower case",
						     is_name };
const struct catalogue_rule catalogue_rule_text = { "printable ASCII", is_text };
const struct catalogue_rule catalogue_rule_env = {
	"the name of an environment variable in upper case", is_env
};
const struct catalogue_rule catalogue_rule_json_path = {
	"a path of member names, such as \"model\" or \"requests[].params.model\", of 8 steps at "
	"most",
	is_json_path
};

/* Texts hold no NUL: base/json.h refuses it. */
static bool text_of(const json_t *j, const struct catalogue_rule *rule, struct slice *ret)
{
	struct slice s = { json_string_value(j), json_string_length(j) };

	if (!s.p || s.n == 0 || s.n > TEXT_MAX || !rule->is_valid(s))
		return false;
	*ret = s;
	return true;
}

int catalogue_read_text(const struct catalogue_read *c, json_t *object, const char *key,
			const struct catalogue_rule *rule, bool required, struct slice *ret)
{
	const json_t *j = json_object_get(object, key);

	*ret = slice_of("", 0);
	if (!j && !required)
		return 0;
	if (!j)
		return json_doc_error(c->doc, c->d, object, NULL, false, "\"%s\" is missing: %s",
				      key, rule->expected);
	if (!text_of(j, rule, ret))
		return json_doc_error(c->doc, c->d, object, key, false,
				      "\"%s\" must be a string: %s", key, rule->expected);
	return 0;
}

int catalogue_read_list(const struct catalogue_read *c, json_t *object, const char *key,
			json_t **ret)
{
	json_t *list = json_object_get(object, key);

	if (list && !json_is_array(list))
		return json_doc_error(c->doc, c->d, object, key, false, "\"%s\" must be a list",
				      key);
	if (json_array_size(list) > CATALOGUE_LIST_MAX)
		return json_doc_error(c->doc, c->d, object, key, false,
				      "\"%s\" has more than %d elements", key, CATALOGUE_LIST_MAX);
	*ret = list;
	return 0;
}

int catalogue_read_element(const struct catalogue_read *c, json_t *list, size_t i,
			   const struct catalogue_rule *rule, struct slice *ret)
{
	if (!text_of(json_array_get(list, i), rule, ret))
		return json_doc_error_at(c->doc, c->d, list, i, "this must be a string: %s",
					 rule->expected);
	return 0;
}

int catalogue_read_bool(const struct catalogue_read *c, json_t *object, const char *key, bool *ret)
{
	const json_t *j = json_object_get(object, key);

	if (j && !json_is_boolean(j))
		return json_doc_error(c->doc, c->d, object, key, false,
				      "\"%s\" must be true or false", key);
	*ret = json_is_true(j);
	return 0;
}

int catalogue_read_texts(const struct catalogue_read *c, json_t *object, const char *key,
			 const struct catalogue_rule *rule, struct image_list *ret)
{
	struct image_list out = { c->b->n[IMAGE_refs], 0 };
	json_t *list;
	int r = catalogue_read_list(c, object, key, &list);

	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct image_ref ref;
		struct slice s;

		r = catalogue_read_element(c, list, i, rule, &s);
		if (r < 0)
			return r;
		r = catalogue_build_string(c->b, s, &ref);
		if (r == 0)
			r = catalogue_build_add(c->b, IMAGE_refs, &ref, sizeof(ref));
		if (r < 0)
			return r;
		out.n++;
	}
	*ret = out;
	return 0;
}

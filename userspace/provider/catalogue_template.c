/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/catalogue_template.h"

#include "provider/catalogue_path.h"

/* A segment as the table knows it: as written, or "{}" or "{}:verb" for parameters. */
struct segment {
	char text[256];
	size_t n;
	bool is_model, has_verb;
};

static bool is_lower_word(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && s.p[i] != '_')
			return false;
	return s.n > 0;
}

static bool is_verb(struct slice s)
{
	if (s.n < 2 || s.p[0] != ':')
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (ascii_lower(s.p[i]) < 'a' || ascii_lower(s.p[i]) > 'z')
			return false;
	return true;
}

static bool parse_literal(struct slice s, struct segment *ret)
{
	char path[sizeof(ret->text) + 1] = "/";
	struct catalogue_path checked;

	(void)slice_copy(s, path + 1, sizeof(path) - 1);
	ret->n = slice_copy(s, ret->text, sizeof(ret->text));
	return s.n > 0 && ret->n == s.n && catalogue_path_cut(slice_of(path, s.n + 1), &checked);
}

static bool parse_segment(struct slice s, struct segment *ret)
{
	const char *close;
	struct slice name, verb;

	*ret = (struct segment){ 0 };
	if (s.n == 0 || s.p[0] != '{')
		return parse_literal(s, ret);
	close = memchr(s.p, '}', s.n);
	if (!close)
		return false;
	name = slice_of(s.p + 1, (size_t)(close - s.p) - 1);
	verb = slice_of(close + 1, s.n - name.n - 2);
	if (!is_lower_word(name) || (verb.n > 0 && !is_verb(verb)))
		return false;
	ret->is_model = slice_eq(name, SLICE("model"));
	ret->has_verb = verb.n > 0;
	memcpy(ret->text, "{}", 2);
	ret->n = 2 + slice_copy(verb, ret->text + 2, sizeof(ret->text) - 2);
	return ret->n == 2 + verb.n;
}

static int add_segment(struct catalogue_build *b, uint32_t node, struct slice text,
		       bool *ret_is_model)
{
	struct segment segment;

	if (!parse_segment(text, &segment))
		return -EBADMSG;
	if (segment.has_verb)
		catalogue_build_get_node(b, node)->verbs = 1;
	*ret_is_model = segment.is_model;
	return catalogue_build_child(b, node, slice_of(segment.text, segment.n));
}

int catalogue_template_add(struct catalogue_build *b, uint32_t root, struct slice path,
			   uint32_t *ret_model_segment)
{
	uint32_t n = 0, model = 0;
	int node = (int)root;
	size_t begin = 1;

	if (path.n == 0 || path.p[0] != '/')
		return -EBADMSG;
	/* "/" alone has no segment: it ends at the root. */
	for (size_t i = 1; i <= path.n && path.n > 1; i++) {
		bool is_model;

		if (i < path.n && path.p[i] != '/')
			continue;
		if (n++ == IMAGE_SEGMENTS_MAX)
			return -EBADMSG;
		node = add_segment(b, (uint32_t)node, slice_of(path.p + begin, i - begin),
				   &is_model);
		if (node < 0)
			return node;
		if (is_model && model)
			return -EBADMSG;
		if (is_model)
			model = n;
		begin = i + 1;
	}
	*ret_model_segment = model;
	return node;
}

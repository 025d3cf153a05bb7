/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/catalogue_operation.h"

#include "provider/catalogue.h"
#include "provider/catalogue_template.h"

#define BODY_PATHS 6 /* with model and stream, as many keys as json_scan.h takes */

static const char *const known[] = { "name",   "requests", "body",   "model", "max_tokens",
				     "stream", "output",   "refuse", NULL };

static const struct {
	struct slice text;
	enum catalogue_body body;
} bodies[] = {
	{ { "none", 4 }, CATALOGUE_BODY_NONE },
	{ { "json", 4 }, CATALOGUE_BODY_JSON },
	{ { "multipart", 9 }, CATALOGUE_BODY_MULTIPART },
	{ { "opaque", 6 }, CATALOGUE_BODY_OPAQUE },
};

static bool find_body(struct slice s, uint32_t *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		if (slice_eq(s, bodies[i].text)) {
			*ret = bodies[i].body;
			return true;
		}
	return false;
}

static bool is_body(struct slice s)
{
	uint32_t body;

	return find_body(s, &body);
}

static bool is_request(struct slice s)
{
	size_t i = 0;

	while (i < s.n && s.p[i] >= 'A' && s.p[i] <= 'Z')
		i++;
	return i > 0 && i + 1 < s.n && s.p[i] == ' ' && s.p[i + 1] == '/';
}

static const struct catalogue_rule rule_body = { "\"json\", \"multipart\", \"opaque\" or \"none\"",
						 is_body };
static const struct catalogue_rule rule_request = { "\"METHOD /path/{id}\"", is_request };

/* -EEXIST: another operation of the provider has this request; -EBADMSG: no template. Else 1 when
 * the path holds the model, 0 when not. */
static int add_request(struct catalogue_build *b, uint32_t root, struct slice request,
		       uint32_t operation)
{
	const char *space = memchr(request.p, ' ', request.n);
	struct slice method = slice_of(request.p, (size_t)(space - request.p));
	struct slice path = slice_of(space + 1, request.n - method.n - 1);
	struct image_template t = { .operation = operation };
	int r, position, end = catalogue_template_add(b, root, path, &t.model_segment);

	if (end < 0)
		return end;
	position = catalogue_build_add(b, IMAGE_templates, &t, sizeof(t));
	if (position < 0)
		return position;
	r = catalogue_build_put(b, IMAGE_END, (uint32_t)end, method, (uint32_t)position);
	return r < 0 ? r : t.model_segment > 0;
}

static int fail_request(const struct catalogue_read *c, json_t *list, size_t i, int error)
{
	if (error == -EEXIST)
		return json_doc_error_at(c->doc, c->d, list, i,
					 "another operation of this provider has the same request");
	if (error == -EBADMSG)
		return json_doc_error_at(c->doc, c->d, list, i,
					 "this path could match nothing: its segments (at most %d) "
					 "are literal, \"{id}\" or \"{id}:verb\", and one of them "
					 "may be \"{model}\"",
					 IMAGE_SEGMENTS_MAX);
	return error;
}

/* *in_path: the paths of this operation hold the model. */
static int add_requests(const struct catalogue_read *c, json_t *op, uint32_t root,
			uint32_t operation, bool *in_path)
{
	json_t *list;
	int r = catalogue_read_list(c, op, "requests", &list);

	if (r == 0 && json_array_size(list) == 0)
		return json_doc_error(c->doc, c->d, op, "requests", false,
				      "\"requests\" must name at least one \"METHOD /path\"");
	for (size_t i = 0; i < json_array_size(list) && r >= 0; i++) {
		struct slice request;

		r = catalogue_read_element(c, list, i, &rule_request, &request);
		if (r < 0)
			return r;
		r = add_request(c->b, root, request, operation);
		if (r < 0)
			return fail_request(c, list, i, r);
		if (i > 0 && r != *in_path)
			return json_doc_error_at(c->doc, c->d, list, i,
						 "either every path of an operation holds "
						 "\"{model}\", or none; make two operations of it");
		*in_path = r > 0;
	}
	return r < 0 ? r : 0;
}

static int kind_of(struct catalogue_build *b, struct slice name)
{
	int r, kind = catalogue_build_find(b, IMAGE_KIND, 0, name);
	struct image_ref ref;

	if (kind >= 0)
		return kind;
	r = catalogue_build_string(b, name, &ref);
	if (r < 0)
		return r;
	kind = catalogue_build_add(b, IMAGE_kinds, &ref, sizeof(ref));
	if (kind < 0)
		return kind;
	r = catalogue_build_put(b, IMAGE_KIND, 0, name, (uint32_t)kind);
	return r < 0 ? r : kind;
}

static int read_text(const struct catalogue_read *c, json_t *op, const char *key,
		     const struct catalogue_rule *rule, struct image_ref *ret)
{
	struct slice s;
	int r = catalogue_read_text(c, op, key, rule, false, &s);

	return r < 0 ? r : catalogue_build_string(c->b, s, ret);
}

/* Members that need each other. */
static int check(const struct catalogue_read *c, json_t *op, const struct image_operation *o)
{
	if (o->model_path.n && o->body != CATALOGUE_BODY_JSON &&
	    o->body != CATALOGUE_BODY_MULTIPART)
		return json_doc_error(c->doc, c->d, op, "model", true,
				      "a \"model\" in the body needs \"body\": \"json\" or "
				      "\"multipart\"");
	if (o->model_path.n && o->model_from_path.n)
		return json_doc_error(c->doc, c->d, op, "model", true,
				      "the model stands either in the path or in the body");
	if ((o->max_tokens_paths.n || o->stream_path.n || o->refuse_paths.n) &&
	    o->body != CATALOGUE_BODY_JSON)
		return json_doc_error(c->doc, c->d, op, "body", false,
				      "\"max_tokens\", \"stream\" and \"refuse\" need \"body\": "
				      "\"json\"");
	if (o->max_tokens_paths.n + o->refuse_paths.n > BODY_PATHS)
		return json_doc_error(c->doc, c->d, op, o->refuse_paths.n ? "refuse" : "max_tokens",
				      false,
				      "\"max_tokens\" and \"refuse\" have more than %d paths "
				      "together",
				      BODY_PATHS);
	if (o->has_output && !o->max_tokens_paths.n)
		return json_doc_error(c->doc, c->d, op, "output", true,
				      "\"output\" needs \"max_tokens\", or nothing could cap it");
	return 0;
}

static int read_members(const struct catalogue_read *c, json_t *op, struct image_operation *o)
{
	struct slice name, body;
	bool output = false;
	int r;

	r = catalogue_read_text(c, op, "name", &catalogue_rule_name, true, &name);
	if (r == 0)
		r = catalogue_read_text(c, op, "body", &rule_body, true, &body);
	if (r == 0)
		r = catalogue_read_bool(c, op, "output", &output);
	if (r == 0)
		r = read_text(c, op, "model", &catalogue_rule_json_path, &o->model_path);
	if (r == 0)
		r = read_text(c, op, "stream", &catalogue_rule_json_path, &o->stream_path);
	if (r == 0)
		r = catalogue_read_texts(c, op, "max_tokens", &catalogue_rule_json_path,
					 &o->max_tokens_paths);
	if (r == 0)
		r = catalogue_read_texts(c, op, "refuse", &catalogue_rule_json_path,
					 &o->refuse_paths);
	if (r == 0)
		r = catalogue_build_string(c->b, name, &o->name);
	if (r == 0)
		r = kind_of(c->b, name);
	if (r < 0)
		return r;
	o->kind = (uint32_t)r;
	o->has_output = output;
	(void)find_body(body, &o->body);
	return 0;
}

static int compile_one(const struct catalogue_read *c, json_t *list, size_t i, uint32_t root)
{
	struct image_operation o = { 0 };
	json_t *op = json_array_get(list, i);
	bool in_path = false;
	int r;

	if (!json_is_object(op))
		return json_doc_error_at(c->doc, c->d, list, i, "an operation must be an object");
	r = json_doc_only(c->doc, c->d, op, known);
	if (r == 0)
		r = read_members(c, op, &o);
	if (r == 0)
		r = add_requests(c, op, root, c->b->n[IMAGE_operations], &in_path);
	if (r == 0 && in_path)
		r = catalogue_build_string(c->b, SLICE("{model}"), &o.model_from_path);
	if (r == 0)
		r = check(c, op, &o);
	return r < 0 ? r : catalogue_build_add(c->b, IMAGE_operations, &o, sizeof(o));
}

int catalogue_operation_compile(const struct catalogue_read *c, json_t *object, uint32_t root)
{
	json_t *list;
	int r = catalogue_read_list(c, object, "operations", &list);

	for (size_t i = 0; i < json_array_size(list) && r >= 0; i++)
		r = compile_one(c, list, i, root);
	return r < 0 ? r : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/engine_reply.h"

#include <stdlib.h>
#include <string.h>

static bool is_text(const json_t *v)
{
	return json_is_string(v) && json_string_length(v) <= ENGINE_TEXT_MAX &&
	       strlen(json_string_value(v)) == json_string_length(v);
}

/* Images made by hand have no labels: null. */
static bool are_labels(json_t *labels)
{
	const char *name;
	json_t *value;

	if (!labels || json_is_null(labels))
		return true;
	if (!json_is_object(labels) || json_object_size(labels) > ENGINE_LABELS_MAX)
		return false;
	json_object_foreach(labels, name, value) if (strlen(name) > ENGINE_TEXT_MAX ||
						     !is_text(value)) return false;
	return true;
}

static bool is_of(const json_t *root, struct slice id)
{
	const json_t *said = json_object_get(root, "Id");

	return is_text(said) && slice_eq(slice_str(json_string_value(said)), id);
}

static int take(const json_t *root, struct engine_facts *ret)
{
	const json_t *config = json_object_get(root, "Config");
	const json_t *image = json_object_get(config, "Image"),
		     *id = json_object_get(root, "Image");
	json_t *labels = json_object_get(config, "Labels");

	if (!is_text(image) || !is_text(id) || !are_labels(labels))
		return -EPROTO;
	ret->image = strdup(json_string_value(image));
	ret->image_id = strdup(json_string_value(id));
	ret->labels = json_is_object(labels) ? json_incref(labels) : json_object();
	if (ret->image && ret->image_id && ret->labels)
		return 0;
	engine_facts_done(ret);
	return -ENOMEM;
}

int engine_reply_read(struct slice text, struct slice id, struct engine_facts *ret)
{
	json_t *root = text.n <= ENGINE_REPLY_MAX
			       ? json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL)
			       : NULL;
	int r = is_of(root, id) ? take(root, ret) : -EPROTO;

	json_decref(root);
	return r;
}

void engine_facts_done(struct engine_facts *f)
{
	free(f->image);
	free(f->image_id);
	json_decref(f->labels);
	*f = (struct engine_facts){ 0 };
}

struct slice engine_facts_label(const struct engine_facts *f, struct slice name)
{
	const json_t *v = json_object_getn(f->labels, name.p, name.n);

	return v ? slice_str(json_string_value(v)) : (struct slice){ NULL, 0 };
}

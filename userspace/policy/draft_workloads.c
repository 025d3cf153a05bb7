/* SPDX-License-Identifier: Apache-2.0 */
/* "workloads" of a policy: names, labels, direct keys. "match" and "exe" belong to identity/. */
#include "policy/draft.h"

#include <stdio.h>

#include "base/nearest.h"

#define LABELS_MAX	64
#define LABEL_VALUE_MAX 255

bool draft_is_name(struct slice s)
{
	if (!s.n || s.n > 63)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], lower = ascii_lower(c);
		bool inner = c == '.' || c == '-';

		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '_' &&
		    !(inner && i))
			return false;
	}
	return true;
}

struct slice draft_string(const json_t *value)
{
	return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value))
				     : (struct slice){ NULL, 0 };
}

int draft_direct_keys(const struct draft *dr, json_t *in, enum policy_direct_keys *ret)
{
	static const char *const words[] = {
		[POLICY_DIRECT_DENY] = "deny",
		[POLICY_DIRECT_REPLACE] = "replace",
		[POLICY_DIRECT_AUDIT] = "audit",
	};
	const json_t *value = json_object_get(in, "direct_keys");
	struct slice word = draft_string(value);

	if (!value)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (word.p && slice_eq(word, slice_str(words[i]))) {
			*ret = (enum policy_direct_keys)i;
			return 0;
		}
	}
	return json_doc_error(dr->doc, dr->d, in, "direct_keys", false,
			      "\"direct_keys\" must be \"deny\", \"replace\" or \"audit\"");
}

static struct slice label_key(char *to, size_t size, struct slice name, struct slice value)
{
	int n = snprintf(to, size, SLICE_FMT "=" SLICE_FMT, SLICE_ARG(name), SLICE_ARG(value));

	return slice_of(to, (size_t)n);
}

int draft_find_label(const struct draft *dr, struct slice name, struct slice value)
{
	char key[64 + LABEL_VALUE_MAX + 2];

	if (!draft_is_name(name) || value.n > LABEL_VALUE_MAX)
		return -1;
	return names_find(&dr->labels, label_key(key, sizeof(key), name, value));
}

static int add_member(struct draft_members *m, uint32_t workload)
{
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 4;
		uint32_t *grown = realloc(m->workload, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->workload = grown;
		m->room = room;
	}
	m->workload[m->n++] = workload;
	return 0;
}

static int add_label(struct draft *dr, struct draft_pair label, uint32_t workload)
{
	char text[64 + LABEL_VALUE_MAX + 2];
	struct slice key = label_key(text, sizeof(text), label.name, label.value);
	int i = names_find(&dr->labels, key), r;
	struct draft_members *grown;

	if (i >= 0)
		return add_member(&dr->members[i], workload);
	key = pool_dup(&dr->pool, key);
	grown = realloc(dr->members, (dr->labels.n + 1) * sizeof(*grown));
	if (grown)
		dr->members = grown;
	if (!key.p || !grown)
		return -ENOMEM;
	/* Zeroed first: draft_done() frees as many as there are names. */
	grown[dr->labels.n] = (struct draft_members){ 0 };
	i = names_add(&dr->labels, key, NULL);
	r = i < 0 ? i : names_add(&dr->label_names, label.name, NULL);
	return r < 0 ? r : add_member(&grown[i], workload);
}

static bool is_label_value(struct slice s)
{
	if (!s.p || !s.n || s.n > LABEL_VALUE_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static int read_labels(struct draft *dr, json_t *json, uint32_t index)
{
	struct draft_workload *w = &dr->workloads[index];
	json_t *labels = json_object_get(json, "labels"), *value;
	const char *name;

	if (!labels)
		return 0;
	if (!json_is_object(labels) || json_object_size(labels) > LABELS_MAX)
		return json_doc_error(dr->doc, dr->d, json, "labels", false,
				      "\"labels\" must be an object of at most %d strings",
				      LABELS_MAX);
	w->labels = pool_zalloc(&dr->pool, sizeof(*w->labels) * (json_object_size(labels) + 1));
	if (!w->labels)
		return -ENOMEM;
	json_object_foreach(labels, name, value)
	{
		struct draft_pair label = { slice_str(name), draft_string(value) };
		int r;

		if (!draft_is_name(label.name))
			return json_doc_error(dr->doc, dr->d, labels, name, true,
					      "a label's name is 1 to 63 letters, digits, \".\", "
					      "\"_\", \"-\", and begins with a letter or digit");
		if (!is_label_value(label.value))
			return json_doc_error(
				dr->doc, dr->d, labels, name, false,
				"a label's value is a string of 1 to %d bytes without "
				"control characters",
				LABEL_VALUE_MAX);
		r = add_label(dr, label, index);
		if (r < 0)
			return r;
		w->labels[w->n_labels++] = label;
	}
	return 0;
}

static int read_workload(struct draft *dr, json_t *all, const char *name, json_t *json)
{
	static const char *const members[] = { "match",	  "exe",    "labels", "direct_keys",
					       "capture", "egress", NULL };
	int index, r;

	if (!draft_is_name(slice_str(name)))
		return json_doc_error(dr->doc, dr->d, all, name, true,
				      "a workload's name is 1 to 63 letters, digits, \".\", \"_\", "
				      "\"-\", and begins with a letter or digit");
	if (strcmp(name, "unknown") == 0)
		return json_doc_error(
			dr->doc, dr->d, all, name, true,
			"\"unknown\" is what matches no workload; it cannot be defined");
	if (!json_is_object(json))
		return json_doc_error(dr->doc, dr->d, all, name, false,
				      "workload \"%s\" must be an object", name);
	r = json_doc_only(dr->doc, dr->d, json, members);
	if (r < 0)
		return r;
	index = names_add(&dr->workload_names, slice_str(name), NULL);
	if (index < 0)
		return index;
	dr->workloads[index].direct_keys = dr->workloads[0].direct_keys;
	r = draft_direct_keys(dr, json, &dr->workloads[index].direct_keys);
	return r < 0 ? r : read_labels(dr, json, (uint32_t)index);
}

int draft_workloads(struct draft *dr, json_t *root)
{
	json_t *all = json_object_get(root, "workloads"), *json;
	const char *name;
	int r;

	if (!json_is_object(all))
		return json_doc_error(
			dr->doc, dr->d, root, all ? "workloads" : NULL, false,
			"a policy needs \"workloads\", an object of workloads by name");
	if (json_object_size(all) >= IMAGE_WORKLOADS_MAX)
		return json_doc_error(dr->doc, dr->d, root, "workloads", false,
				      "more than %u workloads", IMAGE_WORKLOADS_MAX - 1);
	dr->workloads =
		pool_zalloc(&dr->pool, sizeof(*dr->workloads) * (json_object_size(all) + 1));
	if (!dr->workloads)
		return -ENOMEM;
	r = names_add(&dr->workload_names, SLICE("unknown"), NULL);
	if (r == 0)
		r = draft_direct_keys(dr, root, &dr->workloads[0].direct_keys);
	if (r < 0)
		return r;
	json_object_foreach(all, name, json)
	{
		r = read_workload(dr, all, name, json);
		if (r < 0)
			return r;
	}
	return 0;
}

void draft_done(struct draft *dr)
{
	for (size_t i = 0; dr->members && i < dr->labels.n; i++)
		free(dr->members[i].workload);
	free(dr->members);
	dr->members = NULL;
	names_done(&dr->workload_names);
	names_done(&dr->label_names);
	names_done(&dr->labels);
	names_done(&dr->rule_ids);
	pool_clear(&dr->pool, false);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/modes.h"

#include <string.h>

struct reading {
	const struct json_doc *doc;
	struct diag *d;
	const char *name;
	json_t *workload;
	struct policy_mode *mode;
};

static int bad(const struct reading *r, const char *key, const char *expected)
{
	return json_doc_error(r->doc, r->d, r->workload, key, false,
			      "workload \"%s\": \"%s\" must be %s", r->name, key, expected);
}

static int read_capture(struct reading *r)
{
	static const char *const words[] = { "names", "tls", "all" };
	const json_t *value = json_object_get(r->workload, "capture");
	const char *word = json_string_value(value);

	if (!value)
		return 0;
	for (size_t i = 0; word && i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i]) != 0)
			continue;
		r->mode->capture = (enum eg_capture)i;
		return 0;
	}
	return bad(r, "capture", "\"names\", \"tls\" or \"all\"");
}

/* Distinct ports and protocols of a list: the kernel keeps so many for one destination. */
static bool has_too_many_ports(const struct policy_mode *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_allow; i++) {
		bool seen = m->allow[i].port == 0;

		for (size_t k = 0; k < i && !seen; k++)
			seen = m->allow[k].port == m->allow[i].port &&
			       m->allow[k].proto == m->allow[i].proto;
		n += !seen;
	}
	return n > EG_SERVICES_MAX;
}

static int read_list(struct reading *r, json_t *egress, const json_t *allow)
{
	for (size_t i = 0; i < json_array_size(allow); i++) {
		const json_t *value = json_array_get(allow, i);
		const char *why = "it is not a string";
		int e = -EINVAL;

		if (json_is_string(value))
			e = policy_allow_read(
				slice_of(json_string_value(value), json_string_length(value)),
				&r->mode->allow[i], &why);
		if (e < 0)
			return json_doc_error_at(
				r->doc, r->d, allow, i,
				"workload \"%s\": an entry of \"allow\" is \"host\", \"*.suffix\", "
				"\"10.0.0.0/8\", \"host:port\" or \"cidr:port/udp\": %s",
				r->name, why);
		r->mode->n_allow++;
	}
	if (has_too_many_ports(r->mode))
		return json_doc_error(r->doc, r->d, egress, "allow", false,
				      "workload \"%s\": more than %d different ports", r->name,
				      EG_SERVICES_MAX);
	return 0;
}

static int read_egress(struct reading *r)
{
	static const char *const members[] = { "default", "allow", NULL };
	static const char expected[] =
		"\"allow\", or an object with \"default\": \"deny\" and \"allow\", a list";
	json_t *egress = json_object_get(r->workload, "egress"), *allow;
	const char *word = json_string_value(egress);
	int e;

	if (!egress || (word && strcmp(word, "allow") == 0))
		return 0;
	if (!json_is_object(egress))
		return bad(r, "egress", expected);
	e = json_doc_only(r->doc, r->d, egress, members);
	if (e < 0)
		return e;
	word = json_string_value(json_object_get(egress, "default"));
	allow = json_object_get(egress, "allow");
	if (!word || strcmp(word, "deny") != 0 || (allow && !json_is_array(allow)) ||
	    json_array_size(allow) > POLICY_ALLOW_MAX)
		return bad(r, "egress", expected);
	r->mode->egress = EG_EGRESS_DENY;
	r->mode->allow = calloc(json_array_size(allow) + 1, sizeof(*r->mode->allow));
	if (!r->mode->allow)
		return -ENOMEM;
	return read_list(r, egress, allow);
}

/* A member of an entry that a cgroup's path does not tell; NULL: there is none. */
static const char *beyond_cgroup(const json_t *entry)
{
	static const char *const others[] = { "user", "group", "exe" }, *const engine[] = {
		"image", "labels"
	};
	const json_t *container = json_object_get(entry, "container");

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (json_object_get(entry, others[i]))
			return others[i];
	for (size_t i = 0; i < ARRAY_SIZE(engine); i++)
		if (json_object_get(container, engine[i]))
			return engine[i];
	return NULL;
}

/* The kernel knows the cgroup alone. */
static int check_match(struct reading *r)
{
	const json_t *match = json_object_get(r->workload, "match");
	const char *member = json_object_get(r->workload, "egress") ? "egress" : "capture";

	if (!json_object_get(r->workload, member))
		return 0;
	for (size_t i = 0; i < json_array_size(match); i++) {
		const char *other = beyond_cgroup(json_array_get(match, i));

		if (other)
			return json_doc_error_at(
				r->doc, r->d, match, i,
				"workload \"%s\": \"%s\" acts on whole cgroups, so an entry of "
				"\"match\" may hold cgroup, run, unit and container (id, runtime, "
				"pod_uid) only: take \"%s\" out, or make it a workload of its own "
				"without \"%s\"",
				r->name, member, other, member);
	}
	return 0;
}

static int read_workload(struct reading *r)
{
	int e;

	if (!json_is_object(r->workload))
		return 0; /* draft_workloads() has words for it */
	e = read_capture(r);
	if (e == 0)
		e = read_egress(r);
	return e < 0 ? e : check_match(r);
}

int policy_modes_read(const struct json_doc *doc, struct diag *d, struct policy_modes **ret)
{
	json_t *all = json_object_get(json_doc_root(doc), "workloads");
	struct policy_modes *m = calloc(1, sizeof(*m));
	struct reading r = { .doc = doc, .d = d };
	int e = 0;

	if (m)
		m->v = calloc(json_object_size(all) + 1, sizeof(*m->v));
	if (!m || !m->v) {
		(void)policy_modes_free(m);
		return -ENOMEM;
	}
	m->n = 1;
	json_object_foreach(all, r.name, r.workload)
	{
		r.mode = &m->v[m->n++];
		e = read_workload(&r);
		if (e < 0)
			break;
		m->any = m->any || r.mode->capture != EG_CAPTURE_NAMES ||
			 r.mode->egress != EG_EGRESS_ALLOW;
	}
	if (e < 0) {
		(void)policy_modes_free(m);
		return e;
	}
	*ret = m;
	return 0;
}

struct policy_modes *policy_modes_free(struct policy_modes *m)
{
	for (size_t i = 0; m && i < m->n; i++)
		free(m->v[i].allow);
	if (m)
		free(m->v);
	free(m);
	return NULL;
}

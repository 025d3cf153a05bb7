/* SPDX-License-Identifier: Apache-2.0 */
/* The document's side of selectors.h: workloads, entries, programs. */
#include "identity/selectors.h"

#include "base/glob.h"
#include "identity/selectors_members.h"
#include "identity/selectors_read.h"

#define MEMORY_MAX   (128u << 20)
#define PROGRAMS_MAX 64

static int add_to_chain(struct selectors_reading *r, char kind, struct slice value)
{
	char text[SELECTORS_KEY_MAX];
	struct selectors *s = r->s;
	struct slice key = selectors_key(kind, value, text, sizeof(text));
	int i = names_find(&s->keys, key);
	uint32_t *grown;

	if (i < 0) {
		key = pool_dup(&s->pool, key);
		grown = realloc(s->first, (s->keys.n + 1) * sizeof(*grown));
		if (grown)
			s->first = grown;
		if (!grown || !key.p)
			return -ENOMEM;
		grown[s->keys.n] = 0;
		i = names_add(&s->keys, key, NULL);
		if (i < 0)
			return i;
	}
	s->all[s->n - 1].next = s->first[i];
	s->first[i] = (uint32_t)s->n;
	return 0;
}

static struct slice exact(struct slice s)
{
	return glob_is_pattern(s) ? SLICE("") : s;
}

/* The outer unit of "MANAGER/UNIT", which is what place.h calls the unit. */
static struct slice outer_unit(struct slice unit)
{
	const char *slash = unit.n ? memchr(unit.p, '/', unit.n) : NULL;

	return exact(slash ? slice_of(unit.p, (size_t)(slash - unit.p)) : unit);
}

/* Files the last selector under the most telling exact member that it has. */
static int file_selector(struct selectors_reading *r)
{
	struct selectors *s = r->s;
	struct selector *sel = &s->all[s->n - 1];

	if (exact(sel->cgroup).n)
		return add_to_chain(r, SELECTORS_BY_CGROUP, sel->cgroup);
	if (sel->run)
		return add_to_chain(r, SELECTORS_BY_RUN, s->workloads[r->workload].name);
	if (sel->container.n)
		return add_to_chain(r, SELECTORS_BY_CONTAINER,
				    slice_of(sel->container.p, SELECTORS_ID_MIN));
	if (sel->pod_uid.n)
		return add_to_chain(r, SELECTORS_BY_POD, sel->pod_uid);
	if (outer_unit(sel->unit).n)
		return add_to_chain(r, SELECTORS_BY_UNIT, outer_unit(sel->unit));
	if (exact(sel->exe).n)
		return add_to_chain(r, SELECTORS_BY_EXE, sel->exe);
	if (sel->has_uid)
		return add_to_chain(r, SELECTORS_BY_USER, slice_of(&sel->uid, sizeof(sel->uid)));
	if (sel->has_gid)
		return add_to_chain(r, SELECTORS_BY_GROUP, slice_of(&sel->gid, sizeof(sel->gid)));
	if (s->n_patterns++ >= SELECTORS_PATTERNS_MAX)
		return json_doc_error(
			r->doc, r->d, r->entry, NULL, false,
			"more than %d entries of \"match\" have patterns only; give them an "
			"exact member, such as \"user\" or \"unit\"",
			SELECTORS_PATTERNS_MAX);
	sel->next = s->patterns;
	s->patterns = (uint32_t)s->n;
	return 0;
}

static int add_selector(struct selectors_reading *r)
{
	struct selectors *s = r->s;

	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct selector *grown = realloc(s->all, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->all = grown;
		s->room = room;
	}
	s->all[s->n++] = r->sel;
	return file_selector(r);
}

static int read_entry(struct selectors_reading *r, json_t *match, size_t i)
{
	static const char *const names[] = { "cgroup", "run",	"unit", "container",
					     "user",   "group", "exe",	NULL };
	int ret;

	r->entry = json_array_get(match, i);
	if (!json_is_object(r->entry) || !json_object_size(r->entry))
		return json_doc_error_at(
			r->doc, r->d, match, i,
			"an entry of \"match\" must be an object with at least one of "
			"cgroup, run, unit, container, user, group, exe");
	r->sel = (struct selector){ .workload = r->workload };
	ret = json_doc_only(r->doc, r->d, r->entry, names);
	if (ret == 0)
		ret = selectors_members_read(r);
	/* With "exe" it takes the program as well, unless the workload acts on whole cgroups. */
	r->sel.by_cgroup = !r->sel.has_uid && !r->sel.has_gid && !r->sel.exe.n && !r->sel.image.n &&
			   !r->sel.n_labels && (r->has_modes || !r->has_exe);
	return ret < 0 ? ret : add_selector(r);
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : ascii_lower(c) - 'a' + 10;
}

static bool read_sha256(json_t *value, uint8_t ret[32])
{
	const char *hex = json_string_value(value);

	if (!hex || json_string_length(value) != 64 || strspn(hex, "0123456789abcdefABCDEF") != 64)
		return false;
	for (size_t i = 0; i < 32; i++)
		ret[i] = (uint8_t)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
	return true;
}

static int read_program(struct selectors_reading *r, json_t *exe, size_t i,
			struct selectors_program *ret)
{
	static const char *const names[] = { "path", "sha256", NULL };
	json_t *path, *sha256;
	int e;

	r->entry = json_array_get(exe, i);
	path = json_object_get(r->entry, "path");
	sha256 = json_object_get(r->entry, "sha256");
	if (!path && !sha256)
		return json_doc_error_at(r->doc, r->d, exe, i,
					 "an entry of \"exe\" must be an object with \"path\", "
					 "\"sha256\", or both");
	e = json_doc_only(r->doc, r->d, r->entry, names);
	if (e == 0 && path) {
		e = selectors_members_exe(r, "path", path);
		ret->path = r->sel.exe;
	}
	if (e < 0 || !sha256)
		return e;
	ret->has_hash = true;
	return read_sha256(sha256, ret->sha256)
		       ? 0
		       : selectors_members_bad(r, "sha256", "64 hex digits");
}

static int read_programs(struct selectors_reading *r, json_t *workload)
{
	struct selectors_workload *w = &r->s->workloads[r->workload];
	json_t *exe = json_object_get(workload, "exe");

	if (!exe)
		return 0;
	r->entry = workload;
	if (!json_is_array(exe) || !json_array_size(exe) || json_array_size(exe) > PROGRAMS_MAX)
		return selectors_members_bad(r, "exe", "a list of 1 to 64 programs");
	w->programs = pool_zalloc(&r->s->pool, sizeof(*w->programs) * json_array_size(exe));
	if (!w->programs)
		return -ENOMEM;
	for (; w->n_programs < json_array_size(exe); w->n_programs++) {
		int ret = read_program(r, exe, w->n_programs, &w->programs[w->n_programs]);

		if (ret < 0)
			return ret;
	}
	return 0;
}

/* What it matches, as written, on one line. */
static int write_text(struct selectors_reading *r, json_t *workload)
{
	json_t *match = json_object_get(workload, "match"), *exe = json_object_get(workload, "exe");
	_cleanup_free_ char *m = json_dumps(match, JSON_COMPACT | JSON_ENCODE_ANY);
	_cleanup_free_ char *x = exe ? json_dumps(exe, JSON_COMPACT) : NULL;
	char **to = &r->s->workloads[r->workload].text;

	*to = pool_printf(&r->s->pool, "%s%s%s", m ? m : "", exe ? " exe " : "", x ? x : "");
	return *to && m && (x || !exe) ? 0 : -ENOMEM;
}

static int read_workload(struct selectors_reading *r, const char *name, json_t *json)
{
	json_t *match = json_object_get(json, "match");
	int ret = 0;

	r->entry = json;
	r->has_exe = json_object_get(json, "exe") != NULL;
	r->has_modes = json_object_get(json, "capture") || json_object_get(json, "egress");
	r->s->workloads[r->workload].name = pool_dup(&r->s->pool, slice_str(name));
	if (!r->s->workloads[r->workload].name.p)
		return -ENOMEM;
	if (!json_is_array(match) || !json_array_size(match))
		return json_doc_error(
			r->doc, r->d, json, match ? "match" : NULL, false,
			"workload \"%s\" needs \"match\", a list of which one entry must "
			"hold",
			name);
	for (size_t i = 0; i < json_array_size(match) && ret == 0; i++)
		ret = read_entry(r, match, i);
	if (ret == 0)
		ret = read_programs(r, json);
	return ret < 0 ? ret : write_text(r, json);
}

static int read_all(struct selectors_reading *r)
{
	json_t *all = json_object_get(json_doc_root(r->doc), "workloads"), *json;
	const char *name;

	if (!json_is_object(all))
		return json_doc_error(
			r->doc, r->d, NULL, NULL, false,
			"a policy needs \"workloads\", an object of workloads by name");
	r->s->workloads =
		pool_zalloc(&r->s->pool, sizeof(*r->s->workloads) * (json_object_size(all) + 1));
	if (!r->s->workloads)
		return -ENOMEM;
	r->s->workloads[0] = (struct selectors_workload){ .name = SLICE("unknown") };
	r->s->n_workloads = 1;
	json_object_foreach(all, name, json)
	{
		int ret;

		r->workload = (uint32_t)r->s->n_workloads++;
		ret = read_workload(r, name, json);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int selectors_new(const struct json_doc *doc, const char *attached, struct diag *d,
		  struct selectors **ret)
{
	struct selectors *s = calloc(1, sizeof(*s));
	struct selectors_reading r = { .doc = doc, .d = d, .attached = attached, .s = s };
	int error;

	if (!s)
		return -ENOMEM;
	pool_init(&s->pool, MEMORY_MAX);
	error = read_all(&r);
	if (error < 0) {
		(void)selectors_free(s);
		return error;
	}
	*ret = s;
	return 0;
}

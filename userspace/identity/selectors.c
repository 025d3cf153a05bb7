/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up. selectors_read.c fills what this reads. */
#include "identity/selectors.h"

#include "base/glob.h"
#include "identity/selectors_read.h"

struct selectors *selectors_free(struct selectors *s)
{
	if (!s)
		return NULL;
	names_done(&s->keys);
	free(s->first);
	free(s->all);
	pool_clear(&s->pool, false);
	free(s);
	return NULL;
}

static bool path_holds(struct slice wanted, struct slice path)
{
	return glob_is_pattern(wanted) ? glob_match_path(wanted, path) : slice_eq(wanted, path);
}

/* A cgroup stands for everything below it: processes may be allowed to make more there. */
static bool cgroup_holds(struct slice wanted, struct slice path)
{
	if (path_holds(wanted, path) || slice_eq(wanted, SLICE("/")))
		return true;
	for (size_t i = path.n; i-- > 1;)
		if (path.p[i] == '/' && path_holds(wanted, slice_of(path.p, i)))
			return true;
	return false;
}

static bool unit_holds(struct slice wanted, const struct place *place)
{
	const char *slash = memchr(wanted.p, '/', wanted.n);
	size_t at = slash ? (size_t)(slash - wanted.p) : wanted.n;

	if (!place->unit.n || !path_holds(slice_of(wanted.p, at), place->unit))
		return false;
	/* A user names units of its own manager as it likes: only "MANAGER/UNIT" means those. */
	if (!slash)
		return !place->user_unit.n;
	return place->user_unit.n &&
	       path_holds(slice_of(slash + 1, wanted.n - at - 1), place->user_unit);
}

static bool image_holds(struct slice wanted, const struct engine_facts *f)
{
	return path_holds(wanted, slice_str(f->image)) ||
	       path_holds(wanted, slice_str(f->image_id));
}

enum holds { HOLDS_NOT, HOLDS_IN_DOUBT, HOLDS };

/* What the engine says of it; nothing is said: nothing holds. Nor below somebody's own subtree, who
 * may call himself by the id of any container. */
static enum holds engine_holds(const struct selector *sel, const struct selectors_facts *f)
{
	if (!sel->image.n && !sel->n_labels)
		return HOLDS;
	if (f->place->nested)
		return HOLDS_NOT;
	if (!f->engine)
		return f->engine_troubled ? HOLDS_IN_DOUBT : HOLDS_NOT;
	if (sel->image.n && !image_holds(sel->image, f->engine))
		return HOLDS_NOT;
	for (size_t i = 0; i < sel->n_labels; i++) {
		struct slice value = engine_facts_label(f->engine, sel->labels[i].name);

		if (!value.p || !path_holds(sel->labels[i].value, value))
			return HOLDS_NOT;
	}
	return HOLDS;
}

static bool container_holds(const struct selector *sel, const struct place *place)
{
	if (!place->container.n && !place->pod_uid[0])
		return false;
	/* Below somebody's own subtree it counts only together with whose that is. */
	if (place->nested && !sel->unit.n && !sel->cgroup.n)
		return false;
	if (sel->container.n && !slice_has_prefix(place->container, sel->container))
		return false;
	if (sel->runtime && sel->runtime != place->runtime)
		return false;
	return !sel->pod_uid.n || slice_eq(sel->pod_uid, slice_str(place->pod_uid));
}

static enum holds selector_holds(const struct selectors *s, const struct selector *sel,
				 const struct selectors_facts *f)
{
	enum holds engine = HOLDS;

	if (f->cgroup_alone && !sel->by_cgroup)
		return HOLDS_NOT;
	if (sel->has_uid && sel->uid != f->uid)
		return HOLDS_NOT;
	if (sel->has_gid && sel->gid != f->gid)
		return HOLDS_NOT;
	if (sel->run && !slice_eq(s->workloads[sel->workload].name, f->run))
		return HOLDS_NOT;
	if (sel->cgroup.n && !cgroup_holds(sel->cgroup, f->cgroup))
		return HOLDS_NOT;
	if (sel->unit.n && !unit_holds(sel->unit, f->place))
		return HOLDS_NOT;
	if (sel->in_container)
		engine = container_holds(sel, f->place) ? engine_holds(sel, f) : HOLDS_NOT;
	if (engine == HOLDS_NOT)
		return HOLDS_NOT;
	/* Last: it asks the kernel. */
	if (sel->exe.n && !f->any_program &&
	    !(path_holds(sel->exe, slice_str(f->exe->path)) && exe_is_at_its_path(f->exe)))
		return HOLDS_NOT;
	return engine;
}

struct found {
	struct selectors_found *all; /* ascending */
	size_t n;
};

static struct selectors_found *find_found(const struct found *found, uint32_t workload)
{
	for (size_t i = 0; i < found->n; i++)
		if (found->all[i].workload == workload)
			return &found->all[i];
	return NULL;
}

static void add_found(struct found *found, uint32_t workload, bool in_doubt)
{
	struct selectors_found *there = find_found(found, workload);
	size_t i = found->n;

	if (there) {
		there->in_doubt = there->in_doubt && in_doubt;
		return;
	}
	while (i && found->all[i - 1].workload > workload)
		i--;
	if (i == SELECTORS_FOUND_MAX)
		return;
	if (found->n < SELECTORS_FOUND_MAX)
		found->n++;
	memmove(found->all + i + 1, found->all + i, (found->n - i - 1) * sizeof(*found->all));
	found->all[i] = (struct selectors_found){ workload, in_doubt };
}

static void try_chain(const struct selectors *s, uint32_t at, const struct selectors_facts *f,
		      struct found *found)
{
	for (; at; at = s->all[at - 1].next) {
		const struct selector *sel = &s->all[at - 1];
		const struct selectors_found *there = find_found(found, sel->workload);
		enum holds holds =
			there && !there->in_doubt ? HOLDS_NOT : selector_holds(s, sel, f);

		if (holds != HOLDS_NOT)
			add_found(found, sel->workload, holds == HOLDS_IN_DOUBT);
	}
}

static void try_key(const struct selectors *s, char kind, struct slice value,
		    const struct selectors_facts *f, struct found *found)
{
	char text[SELECTORS_KEY_MAX];
	struct slice key = selectors_key(kind, value, text, sizeof(text));
	int i = value.n && key.n ? names_find(&s->keys, key) : -1;

	if (i >= 0)
		try_chain(s, s->first[i], f, found);
}

static void try_cgroups(const struct selectors *s, const struct selectors_facts *f,
			struct found *found)
{
	unsigned depth = 0;

	try_key(s, SELECTORS_BY_CGROUP, SLICE("/"), f, found);
	for (size_t i = 1; i < f->cgroup.n && depth < SELECTORS_DEPTH_MAX; i++) {
		bool end = i + 1 == f->cgroup.n || f->cgroup.p[i + 1] == '/';

		if (!end)
			continue;
		try_key(s, SELECTORS_BY_CGROUP, slice_of(f->cgroup.p, i + 1), f, found);
		depth++;
	}
}

size_t selectors_find(const struct selectors *s, const struct selectors_facts *f,
		      struct selectors_found ret[SELECTORS_FOUND_MAX])
{
	struct found found = { .all = ret };
	struct slice container = f->place->container;

	try_cgroups(s, f, &found);
	try_key(s, SELECTORS_BY_RUN, f->run, f, &found);
	container.n = container.n < SELECTORS_ID_MIN ? container.n : SELECTORS_ID_MIN;
	try_key(s, SELECTORS_BY_CONTAINER, container, f, &found);
	try_key(s, SELECTORS_BY_POD, slice_str(f->place->pod_uid), f, &found);
	try_key(s, SELECTORS_BY_UNIT, f->place->unit, f, &found);
	try_key(s, SELECTORS_BY_EXE, slice_str(f->exe->path), f, &found);
	try_key(s, SELECTORS_BY_USER, slice_of(&f->uid, sizeof(f->uid)), f, &found);
	try_key(s, SELECTORS_BY_GROUP, slice_of(&f->gid, sizeof(f->gid)), f, &found);
	try_chain(s, s->patterns, f, &found);
	return found.n;
}

bool selectors_may_be(const struct selectors *s, uint32_t workload, const struct selectors_facts *f)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->all[i].workload == workload && selector_holds(s, &s->all[i], f) != HOLDS_NOT)
			return true;
	return false;
}

enum selectors_program_state selectors_program(const struct selectors *s, uint32_t workload,
					       struct exe *exe, const uint8_t *sha256)
{
	const struct selectors_workload *w = &s->workloads[workload];
	bool waits = false;

	if (!w->n_programs)
		return SELECTORS_PROGRAM_HOLDS;
	if (!exe_is_recorded(exe))
		return SELECTORS_PROGRAM_FAILS;
	for (size_t i = 0; i < w->n_programs; i++) {
		const struct selectors_program *p = &w->programs[i];

		/* With a hash the path may be one that only the process sees, as in a container. */
		if (p->path.n && !(path_holds(p->path, slice_str(exe->path)) &&
				   (p->has_hash || exe_is_at_its_path(exe))))
			continue;
		if (!p->has_hash || (sha256 && memcmp(p->sha256, sha256, sizeof(p->sha256)) == 0))
			return SELECTORS_PROGRAM_HOLDS;
		waits |= !sha256;
	}
	return waits ? SELECTORS_PROGRAM_NEEDS_HASH : SELECTORS_PROGRAM_FAILS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See identity.h. Puts the evidence together; the parts are cgroupfs, place, process, exe,
 * selectors. */
#include "identity/identity.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "identity/cgroupfs.h"
#include "identity/engine.h"
#include "identity/exe.h"
#include "identity/flow_of.h"
#include "identity/hasher.h"
#include "identity/mounts.h"
#include "identity/place.h"
#include "identity/process.h"
#include "identity/selectors.h"

#define USERS 64 /* names remembered, by uid */

struct user {
	uint32_t uid;
	bool known;
	char name[40];
};

struct identity {
	struct cgroupfs cgroups;
	struct mounts_host mounts;
	struct hasher *hasher;
	struct engines *engines;
	struct selectors *selectors; /* NULL: no policy yet, everybody is unknown */
	uint32_t generation;
	char *proc;
	char *run; /* "/egret/run/" below the attached cgroup */
	struct user users[USERS];
};

/* One question, while its program is hashed or its container's engine is asked. */
struct asking {
	struct identity *id;
	struct eg_flow flow;
	bool is_hashed, has_asked; /* done, well or not: not begun again */
	struct exe_key key; /* of the program that is read */
	identity_fn fn;
	void *ctx;
};

/* Everything known about one caller. */
struct evidence {
	char cgroup[CGROUPFS_PATH_MAX];
	struct place place;
	struct selectors_facts facts;
	struct exe exe;
	int process;
};

enum hashing { HASH_MAY_START, HASH_FAILED };

int identity_new(struct loop *l, const struct identity_opts *o, struct identity **ret)
{
	const struct engines_opts eo = { .sockets = o->engines,
					 .n_sockets = o->n_engines,
					 .on_state = o->on_engine,
					 .ctx = o->ctx };
	struct identity *id = calloc(1, sizeof(*id));
	int r;

	if (!id)
		return -ENOMEM;
	id->cgroups.mount_fd = id->mounts.fd = -EBADF;
	r = cgroupfs_open(&id->cgroups, o->cgroup);
	if (r == 0)
		r = mounts_host_open(&id->mounts, o->proc);
	if (r == 0)
		r = hasher_new(l, o->hash_bytes_max, &id->hasher);
	if (r == 0)
		r = engines_new(l, &eo, &id->engines);
	id->proc = strdup(o->proc);
	if (r == 0 && (!id->proc || asprintf(&id->run, "/%s/", o->cgroup_run) < 0)) {
		id->run = NULL;
		r = -ENOMEM;
	}
	if (r < 0) {
		(void)identity_free(id);
		return r;
	}
	*ret = id;
	return 0;
}

struct identity *identity_free(struct identity *id)
{
	if (!id)
		return NULL;
	/* First: who still waits is answered from the rest. */
	id->engines = engines_free(id->engines);
	id->hasher = hasher_free(id->hasher);
	(void)selectors_free(id->selectors);
	cgroupfs_close(&id->cgroups);
	mounts_host_close(&id->mounts);
	free(id->proc);
	free(id->run);
	free(id);
	return NULL;
}

int identity_load(struct identity *id, const struct json_doc *policy, uint32_t generation,
		  struct diag *d)
{
	struct selectors *s = NULL;
	int r = selectors_new(policy, id->cgroups.attached, d, &s);

	if (r < 0)
		return r;
	(void)selectors_free(id->selectors);
	id->selectors = s;
	id->generation = generation;
	memset(id->users, 0, sizeof(id->users));
	return 0;
}

bool identity_wants_engine(const struct identity *id)
{
	return id->selectors && id->selectors->wants_engine;
}

const char *identity_match_text(const struct identity *id, unsigned index)
{
	const struct selectors *s = id->selectors;

	return s && index < s->n_workloads && s->workloads[index].text ? s->workloads[index].text
								       : "";
}

int identity_cgroup_path(struct identity *id, uint64_t cgroup, char *ret, size_t size)
{
	return cgroupfs_path(&id->cgroups, cgroup, ret, size);
}

/* Names come from outside: what is no text becomes `?`, and no character is cut in half. */
static void show(struct slice s, char *to, size_t size)
{
	size_t n = 0;

	while (s.n) {
		size_t len = utf8_length(s);
		bool text = len && utf8_is_text(slice_of(s.p, len));

		len = len ? len : 1;
		if (n + (text ? len : 1) >= size)
			break;
		if (text)
			memcpy(to + n, s.p, len);
		else
			to[n] = '?';
		n += text ? len : 1;
		s = slice_of(s.p + len, s.n - len);
	}
	to[n] = '\0';
}

/* From /etc/passwd alone: other sources of names may have to wait for a network. */
static const char *user_name(struct identity *id, uint32_t uid)
{
	struct user *u = &id->users[uid % USERS];
	struct passwd entry, *found;
	char room[4096];
	FILE *f;

	if (u->known && u->uid == uid)
		return u->name;
	*u = (struct user){ .uid = uid, .known = true };
	f = fopen("/etc/passwd", "re");
	if (!f)
		return u->name;
	while (fgetpwent_r(f, &entry, room, sizeof(room), &found) == 0)
		if (found->pw_uid == uid) {
			show(slice_str(found->pw_name), u->name, sizeof(u->name));
			break;
		}
	(void)fclose(f);
	return u->name;
}

/* The workload's name in "/egret/run/NAME/..."; empty: elsewhere. */
static struct slice run_of(const struct identity *id, struct slice below)
{
	struct slice run = slice_str(id->run);
	const char *end;

	if (!slice_has_prefix(below, run))
		return SLICE("");
	below = slice_of(below.p + run.n, below.n - run.n);
	end = memchr(below.p, '/', below.n);
	return end ? slice_of(below.p, (size_t)(end - below.p)) : SLICE("");
}

static void look_at_process(struct identity *id, const struct eg_flow *flow, struct evidence *e)
{
	e->process = process_open(id->proc, (pid_t)flow->tgid, flow->start_ns);
	exe_look(&e->exe, &id->mounts, e->process, flow);
}

/* Somebody's entries ask for what only the engine knows of this container. */
static bool wants_facts(const struct identity *id, const struct place *place)
{
	return identity_wants_engine(id) && place->container.n && !place->nested;
}

static int look_at_cgroup(struct identity *id, const struct eg_flow *flow, uint64_t cgroup,
			  struct evidence *e)
{
	int r = cgroupfs_path(&id->cgroups, cgroup, e->cgroup, sizeof(e->cgroup));
	struct slice below;

	if (r < 0)
		return r;
	below = cgroupfs_below(&id->cgroups, slice_str(e->cgroup));
	place_of(below, &e->place);
	e->facts = (struct selectors_facts){
		.cgroup = slice_str(e->cgroup),
		.below = below,
		.run = run_of(id, below),
		.place = &e->place,
		.uid = flow->uid,
		.gid = flow->gid,
		.exe = &e->exe,
		.engine = engines_find(id->engines, e->place.container),
	};
	e->facts.engine_troubled = wants_facts(id, &e->place) && !e->facts.engine &&
				   !engines_deny(id->engines, e->place.container);
	return 0;
}

uint32_t identity_cgroup_workload(const struct identity *id, struct slice path)
{
	struct slice below = cgroupfs_below(&id->cgroups, path);
	struct selectors_found found[SELECTORS_FOUND_MAX];
	struct exe none = { .fd = -EBADF };
	struct place place;
	struct selectors_facts facts = { .cgroup = path,
					 .below = below,
					 .run = run_of(id, below),
					 .place = &place,
					 .uid = UINT32_MAX,
					 .gid = UINT32_MAX,
					 .exe = &none,
					 .cgroup_alone = true };

	place_of(below, &place);
	return id->selectors && selectors_find(id->selectors, &facts, found) ? found[0].workload
									     : 0;
}

int identity_may_run(const struct identity *id, uint32_t index, uint32_t uid, uint32_t gid,
		     uint32_t *ret_first)
{
	const struct selectors *s = id->selectors;
	struct selectors_found found[SELECTORS_FOUND_MAX];
	struct exe none = { .fd = -EBADF };
	struct place place;
	struct selectors_facts facts = { .place = &place, .uid = uid, .gid = gid, .exe = &none };
	const char *attached = id->cgroups.attached;
	char path[CGROUPFS_PATH_MAX];
	size_t n;

	*ret_first = 0;
	if (!s || index == 0 || index >= s->n_workloads)
		return -ENOENT;
	n = (size_t)snprintf(path, sizeof(path), "%s%s" SLICE_FMT "/0",
			     strcmp(attached, "/") == 0 ? "" : attached, id->run,
			     SLICE_ARG(s->workloads[index].name));
	if (n >= sizeof(path))
		return -ENOENT;
	facts.cgroup = slice_str(path);
	facts.below = cgroupfs_below(&id->cgroups, facts.cgroup);
	facts.run = run_of(id, facts.below);
	place_of(facts.below, &place);
	n = selectors_find(s, &facts, found);
	/* One that asks for a program may not hold; whose entry does so is not found at all. */
	for (size_t i = 0; i < n && found[i].workload < index; i++) {
		if (s->workloads[found[i].workload].n_programs)
			continue;
		*ret_first = found[i].workload;
		return -EEXIST;
	}
	facts.any_program = true;
	return selectors_may_be(s, index, &facts) ? 0 : -ENOENT;
}

static void evidence_done(struct evidence *e)
{
	exe_done(&e->exe);
	cleanup_close(&e->process);
}

struct match {
	uint32_t workload; /* with needs_hash: the one that may be it */
	enum eg_reason reason;
	bool needs_hash;
};

/* The first workload, in the order of the document, of which an entry and the program hold. One
 * that may come before it, if only the engine said so, makes it nobody. */
static struct match find_workload(const struct identity *id, struct evidence *e,
				  const uint8_t *sha256, enum hashing hashing)
{
	struct selectors_found found[SELECTORS_FOUND_MAX];
	struct match m = { .reason = EG_REASON_unknown_workload };
	size_t n = id->selectors ? selectors_find(id->selectors, &e->facts, found) : 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t w = found[i].workload;

		switch (selectors_program(id->selectors, w, &e->exe, sha256)) {
		case SELECTORS_PROGRAM_HOLDS:
			return found[i].in_doubt
				       ? (struct match){ .reason = EG_REASON_identity_unavailable }
				       : (struct match){ w, EG_REASON_allowed, false };
		case SELECTORS_PROGRAM_NEEDS_HASH:
			if (hashing == HASH_MAY_START)
				return (struct match){ .workload = w, .needs_hash = true };
			break;
		case SELECTORS_PROGRAM_FAILS:
			break;
		}
		m.reason = EG_REASON_exe_mismatch;
	}
	return m;
}

/* A socket that another cgroup made speaks for neither, unless both are the same workload. */
static struct match find_stricter(struct identity *id, const struct eg_flow *flow,
				  struct evidence *e, const uint8_t *sha256, enum hashing hashing)
{
	struct match caller = find_workload(id, e, sha256, hashing), creator;
	struct evidence other = { 0 };
	int r;

	if (!(flow->flags & EG_FLOW_CGROUP_DIFFERS) || caller.needs_hash ||
	    caller.reason != EG_REASON_allowed)
		return caller;
	r = look_at_cgroup(id, flow, flow->sk_cgroup, &other);
	other.facts.exe = &e->exe;
	creator = r < 0 ? (struct match){ 0 } : find_workload(id, &other, sha256, hashing);
	if (r == 0 && creator.needs_hash)
		return creator;
	if (r == 0 && creator.workload == caller.workload)
		return caller;
	return (struct match){ .reason = EG_REASON_identity_unavailable };
}

static void fill_principal(struct identity *id, const struct eg_flow *flow, struct evidence *e,
			   struct match m, const uint8_t *sha256, struct eg_principal *ret)
{
	struct slice unit = e->place.unit, user_unit = e->place.user_unit;
	char both[600];

	*ret = (struct eg_principal){
		.generation = id->generation,
		.workload = m.workload,
		.reason = m.reason,
		.pid = flow->tgid,
		.uid = flow->uid,
		.gid = flow->gid,
		.cgroup = flow->cgroup,
		.start_ns = flow->start_ns,
	};
	if (sha256) {
		memcpy(ret->exe_sha256, sha256, sizeof(ret->exe_sha256));
		ret->has_hash = 1;
	}
	(void)snprintf(both, sizeof(both), SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(unit),
		       user_unit.n ? "/" : "", SLICE_ARG(user_unit));
	show(slice_str(both), ret->unit, sizeof(ret->unit));
	show(id->selectors ? id->selectors->workloads[m.workload].name : SLICE("unknown"),
	     ret->name, sizeof(ret->name));
	show(slice_str(e->exe.path), ret->exe, sizeof(ret->exe));
	show(slice_str(e->cgroup), ret->cgroup_path, sizeof(ret->cgroup_path));
	show(e->place.container, ret->container, sizeof(ret->container));
	(void)slice_copy(slice_str(user_name(id, flow->uid)), ret->user, sizeof(ret->user));
}

static void on_hashed(void *ctx, int error, const uint8_t *sha256);
static void on_engine(void *ctx);

/* Reads the program, to ask again later. */
static int start_hash(struct identity *id, const struct asking *q, struct exe *exe,
		      uint32_t workload)
{
	struct asking *a = malloc(sizeof(*a));
	int fd = a ? exe_open(exe) : -ENOMEM, r;

	if (fd < 0) {
		free(a);
		return fd;
	}
	*a = *q;
	a->is_hashed = true;
	a->key = exe->key;
	r = hasher_start(id->hasher, fd, &exe->key, workload, on_hashed, a);
	if (r < 0)
		free(a);
	return r;
}

/* For the record only: nobody waits, and the next process of this program will have it. */
static void hash_for_the_record(struct identity *id, struct exe *exe)
{
	int fd;

	if (exe->fd < 0 || !hasher_may_read(id->hasher, &exe->key))
		return;
	fd = exe_open(exe);
	if (fd < 0 || hasher_start(id->hasher, fd, &exe->key, 0, NULL, NULL) < 0)
		return; /* busy: another time */
}

/* What is known of the program that runs now; `a` has just hashed one, perhaps this. */
static const uint8_t *find_hash(struct identity *id, struct exe *exe, const struct asking *a,
				const uint8_t *sha256)
{
	const uint8_t *hash = exe->fd < 0 ? NULL : hasher_find(id->hasher, &exe->key);

	if (!hash && sha256 && exe->fd >= 0 && exe_key_eq(&a->key, &exe->key))
		hash = sha256;
	/* A file system that somebody serves himself can show any key. */
	return hash && exe_is_recorded(exe) && exe->readable ? hash : NULL;
}

/* Asks what the container is, to ask again later. */
static int start_engine(struct identity *id, const struct asking *q, const struct place *place)
{
	struct asking *a = malloc(sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	*a = *q;
	a->has_asked = true;
	r = engines_ask(id->engines, place->container, on_engine, a);
	if (r < 0)
		free(a);
	return r;
}

static struct match match_caller(struct identity *id, const struct eg_flow *flow,
				 struct evidence *e, const uint8_t *hash, enum hashing hashing)
{
	if (flow->flags & EG_FLOW_KTHREAD || look_at_cgroup(id, flow, flow->cgroup, e) < 0)
		return (struct match){ .reason = EG_REASON_identity_unavailable };
	return find_stricter(id, flow, e, hash, hashing);
}

/* sha256: of the program that q has just had hashed; NULL: none, or that failed. */
static void attest(struct identity *id, const struct asking *q, const uint8_t *sha256)
{
	enum hashing hashing = q->is_hashed ? HASH_FAILED : HASH_MAY_START;
	const struct eg_flow *flow = &q->flow;
	struct evidence e = { 0 };
	struct eg_principal p;
	const uint8_t *hash;
	struct match m;

	look_at_process(id, flow, &e);
	hash = find_hash(id, &e.exe, q, sha256);
	m = match_caller(id, flow, &e, hash, hashing);
	if (wants_facts(id, &e.place) && !e.facts.engine && !q->has_asked &&
	    start_engine(id, q, &e.place) == 0) {
		evidence_done(&e);
		return;
	}
	if (m.needs_hash) {
		int r = start_hash(id, q, &e.exe, m.workload);

		if (r == 0) {
			evidence_done(&e);
			return;
		}
		m = match_caller(id, flow, &e, NULL, HASH_FAILED);
		if (r == -ENOBUFS && m.reason != EG_REASON_allowed)
			m.reason = EG_REASON_overloaded;
	}
	fill_principal(id, flow, &e, m, hash, &p);
	/* Known a little later, it may be somebody else. */
	p.passing = e.facts.engine_troubled;
	if (!hash && m.reason == EG_REASON_allowed)
		hash_for_the_record(id, &e.exe);
	evidence_done(&e);
	q->fn(q->ctx, &p);
}

static void on_hashed(void *ctx, int error, const uint8_t *sha256)
{
	_cleanup_free_ struct asking *a = ctx;

	/* The process may have changed and the policy been replaced: all is looked at once more. */
	attest(a->id, a, error ? NULL : sha256);
}

static void on_engine(void *ctx)
{
	_cleanup_free_ struct asking *a = ctx;

	attest(a->id, a, NULL);
}

void identity_attest(struct identity *id, const struct eg_flow *flow, identity_fn fn, void *ctx)
{
	const struct asking q = { .id = id, .flow = *flow, .fn = fn, .ctx = ctx };

	attest(id, &q, NULL);
}

int identity_flow_of(struct identity *id, pid_t pid, struct eg_flow *ret)
{
	return flow_of(id->proc, &id->cgroups, pid, ret);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "match" and "exe" of the workloads in a policy, compiled: which workloads a process may be. Each
 * entry stands under the most telling of its exact members, so a look-up costs the same with ten
 * workloads or ten thousand; entries that have patterns only are tried one by one and are few.
 */
#pragma once

#include "base/diag.h"
#include "base/json.h"
#include "base/names.h"
#include "base/pool.h"
#include "identity/engine_reply.h"
#include "identity/exe.h"
#include "identity/place.h"

#define SELECTORS_PATTERNS_MAX 1024 /* entries without any exact member */
#define SELECTORS_DEPTH_MAX    32 /* components of a cgroup's path that entries may name */
#define SELECTORS_FOUND_MAX    32

struct selector_label {
	struct slice name, value; /* value: a pattern */
};

struct selector {
	uint32_t workload;
	uint32_t next; /* number + 1 of another under the same key, or of the next pattern; 0: none
			*/
	struct slice cgroup; /* absolute below the mount; matches what is below it too */
	struct slice unit, exe;
	struct slice container, pod_uid; /* container: at least 12 hex digits from its start */
	struct slice image; /* pattern of the image's name or id, as the engine says */
	struct selector_label *labels; /* all must hold */
	size_t n_labels;
	enum place_runtime runtime;
	uint32_t uid, gid;
	bool run, in_container; /* in_container: "container" is there */
	bool by_cgroup; /* a cgroup's path alone says whether it holds */
	bool has_uid, has_gid;
};

struct selectors_program {
	struct slice path; /* empty: any */
	bool has_hash;
	uint8_t sha256[32];
};

struct selectors_workload {
	struct slice name;
	struct selectors_program *programs; /* one must hold, if there are any */
	size_t n_programs;
	char *text; /* what it matches, for people */
};

struct selectors {
	struct pool pool;
	struct names keys; /* of exact members */
	uint32_t *first; /* by key: number + 1 of a selector */
	struct selector *all;
	size_t n, room;
	uint32_t patterns; /* number + 1 of the first without a key */
	size_t n_patterns;
	bool wants_engine; /* some entry asks for an image or labels */
	struct selectors_workload *workloads; /* 0 is `unknown` */
	size_t n_workloads;
};

/* Reads a policy document. `attached`: the hooks' cgroup below the mount, where relative paths
 * begin. Copies what it keeps. -EINVAL with d filled, -ENOMEM. */
int selectors_new(const struct json_doc *doc, const char *attached, struct diag *d,
		  struct selectors **ret) _must_check_;
struct selectors *selectors_free(struct selectors *s);

struct selectors_facts {
	struct slice cgroup; /* below the mount */
	struct slice below; /* below the attached cgroup; empty: it is elsewhere */
	struct slice run; /* workload that `egret run` was asked for; empty: not below its place */
	const struct place *place;
	uint32_t uid, gid;
	struct exe *exe;
	const struct engine_facts *engine; /* NULL: nothing is known from an engine */
	bool engine_troubled; /* it may know the container and could not say: see in_doubt */
	bool cgroup_alone; /* nothing else is known: entries that ask for more do not hold */
	bool any_program; /* which is not known yet: entries hold whatever they ask for */
};

struct selectors_found {
	uint32_t workload;
	bool in_doubt; /* only an entry whose image or labels a troubled engine would have to tell
			*/
};

/* Workloads of which one entry holds, ascending, at most SELECTORS_FOUND_MAX of the first ones. */
size_t selectors_find(const struct selectors *s, const struct selectors_facts *f,
		      struct selectors_found ret[SELECTORS_FOUND_MAX]);

/* Whether some entry of one workload holds, or may. Looks at every entry of the policy. */
bool selectors_may_be(const struct selectors *s, uint32_t workload,
		      const struct selectors_facts *f);

enum selectors_program_state {
	SELECTORS_PROGRAM_HOLDS,
	SELECTORS_PROGRAM_FAILS,
	SELECTORS_PROGRAM_NEEDS_HASH, /* ask again with one */
};
/* sha256 NULL: not known (yet). */
enum selectors_program_state selectors_program(const struct selectors *s, uint32_t workload,
					       struct exe *exe, const uint8_t *sha256);

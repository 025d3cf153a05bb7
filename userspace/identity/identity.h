/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a connection belongs to: from the flow record that the kernel captured at connect() to a
 * principal (headers/egret/rpc.h), with evidence from /proc and cgroupfs. Runs in the monitor: it
 * needs to see every process. The cgroup of the record decides; path, unit, container, user and
 * program are conditions on top. What cannot be established is not matched, and a workload that
 * demands an executable never matches on doubt (EG_REASON_exe_mismatch).
 *
 * The first workload in the order of the document wins. While a container's engine cannot say what
 * a workload before it asks for, nobody does (EG_REASON_identity_unavailable). A socket that was
 * created in another cgroup than the caller's belongs to a workload only if both cgroups do
 * (EG_REASON_identity_unavailable).
 *
 * Needs CAP_DAC_READ_SEARCH (cgroups by id), CAP_SYS_PTRACE (other users' /proc) and, for programs
 * that their owner alone may read, CAP_DAC_OVERRIDE.
 *
 * A record names the inode that ran at connect(): the executable is opened through /proc/PID/exe
 * while {pid, start} still hold, must be that inode, and is hashed in slices between other work,
 * once per {device, inode, change time, size}.
 */
#pragma once

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/json.h"
#include "egret/rpc.h"
#include "event/loop.h"

struct identity;

struct identity_opts {
	const char *cgroup; /* directory the hooks are attached to */
	const char *cgroup_run; /* below it: where `egret run` puts commands: RUN/WORKLOAD/ID */
	const char *proc; /* "/proc"; another one in tests */
	/* Sockets of container engines, and what is told of them: see engine.h. */
	const char *const *engines;
	size_t n_engines;
	void (*on_engine)(void *ctx, const char *socket, const char *error);
	void *ctx;
	uint64_t hash_bytes_max; /* an executable larger than this is not hashed: it does not match
				  */
};

int identity_new(struct loop *l, const struct identity_opts *o, struct identity **ret) _must_check_;
struct identity *identity_free(struct identity *id);

/* Reads "workloads" of a policy document: match and exe. All or nothing; `generation` goes into
 * every principal made from then on. Indexes as in policy/compile.h. */
int identity_load(struct identity *id, const struct json_doc *policy, uint32_t generation,
		  struct diag *d) _must_check_;
/* Some entry asks for an image or labels; a container engine must be there to say them. */
bool identity_wants_engine(const struct identity *id);
/* The same without putting it in force (`policy check`). */
int identity_check(const struct json_doc *policy, struct diag *d) _must_check_;

/* p is valid during the call. Runs once, from the loop or before identity_attest() returns. */
typedef void (*identity_fn)(void *ctx, const struct eg_principal *p);
/* Never fails: what goes wrong is a principal `unknown` with a reason. */
void identity_attest(struct identity *id, const struct eg_flow *flow, identity_fn fn, void *ctx);
/* A flow record made up for a living process, for `workload of PID`: -ESRCH. */
int identity_flow_of(struct identity *id, pid_t pid, struct eg_flow *ret) _must_check_;
/* Path of a cgroup id below the mount of cgroup2 ("/a/b"); -ENOENT: gone. */
int identity_cgroup_path(struct identity *id, uint64_t cgroup, char *ret, size_t size) _must_check_;
/* The workload that a cgroup is by its path alone (below the mount of cgroup2): the first of which
 * an entry holds without a look at user, group or program. 0: none. */
uint32_t identity_cgroup_workload(const struct identity *id, struct slice path);
/* Whether a command that `egret run` starts for a user can be workload `index`, as far as its
 * program is not what decides. -ENOENT: no entry of it holds there. -EEXIST: that of *ret_first,
 * which comes before it, holds as well. */
int identity_may_run(const struct identity *id, uint32_t index, uint32_t uid, uint32_t gid,
		     uint32_t *ret_first) _must_check_;
/* One line a person can read of what workload `index` matches; "" for `unknown`. */
const char *identity_match_text(const struct identity *id, unsigned index);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is attached, read without touching it: programs, maps, flows, endpoints, counters. For the
 * monitor's control replies and, from the pins alone, for `egret` when the daemon is dead.
 * Callbacks return 0 to go on; anything else ends the listing and is returned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "egret/abi.h"
#include "egret/reasons.h"

struct inspect;

/* Reads the pins in `dir`. -ENOENT: nothing is pinned there. */
int inspect_open(const char *dir, struct diag *d, struct inspect **ret) _must_check_;
struct inspect *inspect_free(struct inspect *in);

struct inspect_prog {
	const char *name; /* as in EG_PROGS */
	const char *attach_type; /* as bpftool prints it */
	bool attached; /* the pin is there and its link holds a live cgroup */
	uint32_t id; /* of the program; 0 when not attached */
	uint32_t link_id;
	uint64_t cgroup; /* id of the cgroup the link holds */
	uint64_t loaded_ns; /* CLOCK_BOOTTIME */
	uint32_t insns; /* translated */
	bool is_counted; /* the next two say something: statistics are on, or were */
	uint64_t run_cnt, run_ns;
};
typedef int (*inspect_prog_fn)(void *ctx, const struct inspect_prog *prog);
int inspect_progs(const struct inspect *in, inspect_prog_fn fn, void *ctx) _must_check_;

struct inspect_map {
	const char *name;
	const char *text; /* what it holds */
	uint32_t id, type;
	const char *type_name;
	uint32_t key_size, value_size, max_entries;
	int64_t entries; /* -1: this type cannot tell */
	uint64_t bytes; /* kernel memory, as fdinfo's memlock says; 0 unknown */
};
typedef int (*inspect_map_fn)(void *ctx, const struct inspect_map *map);
int inspect_maps(const struct inspect *in, inspect_map_fn fn, void *ctx) _must_check_;

/* Flows of clients' live sockets, in every network namespace. -EOPNOTSUPP: cannot on this kernel.
 */
typedef int (*inspect_flow_fn)(void *ctx, const struct eg_flow *flow);
int inspect_flows(const struct inspect *in, inspect_flow_fn fn, void *ctx) _must_check_;

typedef int (*inspect_endpoint_fn)(void *ctx, const struct eg_endpoint_key *key,
				   const struct eg_endpoint *endpoint);
int inspect_endpoints(const struct inspect *in, inspect_endpoint_fn fn, void *ctx) _must_check_;

/* What was learned from DNS in one cgroup (its directory, open). */
typedef int (*inspect_learned_fn)(void *ctx, const struct eg_learned_entry *entry);
int inspect_learned(const struct inspect *in, int cgroup_fd, inspect_learned_fn fn,
		    void *ctx) _must_check_;

/* Addresses that names on its allow-list had in answers to one cgroup. */
typedef int (*inspect_allowed_fn)(void *ctx, const struct eg_allowed_entry *entry);
int inspect_allowed(const struct inspect *in, int cgroup_fd, inspect_allowed_fn fn,
		    void *ctx) _must_check_;
/* The mode of a cgroup's own. -ENOENT: none, that of the nearest one above holds. */
int inspect_mode(const struct inspect *in, int cgroup_fd, struct eg_mode *ret) _must_check_;

struct inspect_counts {
	/* "allowed" counts redirects at connect hooks, hand-overs at sockops, stamped packets at
	 * egress. What is not governed is not counted anywhere. */
	uint64_t by[EG_HOOK_COUNT][EG_REASON_COUNT];
	uint64_t events_lost; /* the ring buffer was full */
	uint64_t events_limited; /* held back by the rate limit per cgroup and reason */
	uint64_t dns_answers, dns_learned, dns_bad, dns_ech; /* of eg_ingress */
	uint64_t sni_other, sni_none; /* of the tripwire: what passed it */
};
int inspect_counts(const struct inspect *in, struct inspect_counts *ret) _must_check_;
/* One per hook of EG_PROGS: what BPF_PROG_QUERY says about `cgroup` (the pins do not count). */
struct inspect_hook {
	const char *name;
	const char *attach_type;
	bool attached; /* our program is really in the effective list of that cgroup */
	unsigned n_rivals;
	struct {
		uint32_t id;
		char name[16];
	} rival[16]; /* other programs there, also those of its ancestors; the first 16 */
};
typedef int (*inspect_hook_fn)(void *ctx, const struct inspect_hook *hook);
/* in NULL: nothing of ours can be recognised, every program is a rival. */
int inspect_hooks(const struct inspect *in, const char *cgroup, inspect_hook_fn fn,
		  void *ctx) _must_check_;

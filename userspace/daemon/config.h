/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's configuration: a JSON file with comments over the defaults of config_table.c, and
 * `--set KEY=JSON` over that. One table says what there is; it also prints the default file, the
 * schema and the man page's section. An unknown key, a wrong type or a value out of range is an
 * error with its place, never a guess.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/json.h"
#include "egret/abi.h"

#define CONFIG_FILE_MAX	 (1u << 20)
#define CONFIG_LIST_MAX	 256u /* elements of any list */
#define CONFIG_PORTS_MAX 7u

/* Owned strings; v has n of them and a NULL. */
struct config_list {
	char **v;
	size_t n;
};

enum config_source {
	CONFIG_SOURCE_FILE, /* a file only root can read */
	CONFIG_SOURCE_SYSTEMD, /* a name below $CREDENTIALS_DIRECTORY */
	CONFIG_SOURCE_COMMAND, /* the standard output of a program */
};

struct config_credential {
	char *id, *provider;
	enum config_source source;
	struct config_list words; /* the path or name; the command's words */
};

/* Who may be which workloads by `egret run`. */
struct config_run {
	char *name;
	bool is_group;
	struct config_list workloads; /* "*": every one */
};

struct config {
	char *cgroup, *run_dir, *state_dir, *policy, *credentials_dir, *control_group;
	char *log_level, *log_format;
	char *user_worker, *user_vault, *user_recorder, *user_bpffs;
	struct config_list catalogue, resolvers, dns_trust, upstream_trust, upstream_allow,
		engine_sockets;
	struct config_credential *credentials;
	size_t n_credentials;
	struct config_run *run;
	size_t n_run;
	uint16_t ports[CONFIG_PORTS_MAX]; /* 0 ends them */
	struct eg_endpoint_key nat64; /* prefix_len 0: none */
	bool system_trust, allow_raw;
	uint64_t workers; /* 0: one a CPU */
	uint64_t drain_ms; /* of an earlier generation's workers */
	uint64_t connect_ms, upstream_idle_ms, upstream_idle_max;
	uint64_t connections, namespaces, head_bytes, body_bytes, bodies_bytes, buffer_bytes;
	uint64_t hello_ms, handshake_ms, head_ms, idle_ms, body_ms, first_byte_ms, stall_ms;
	uint64_t ca_days, overlap_days, leaf_hours, lease_ms;
	uint64_t keep_days, audit_max_bytes, commit_ms;
	json_t *values; /* {"limits.connections": value, ...}: every key as it was set */
};

struct config_where {
	const char *file; /* NULL: defaults alone */
	bool optional; /* a missing file is an empty one */
	const char *const *sets; /* "KEY=JSON", the last one wins */
	size_t n_sets;
};

/* -errno with d filled: nothing is half applied. */
int config_load(const struct config_where *where, struct diag *d, struct config **ret) _must_check_;
/* The same from a text, for tests and fuzzing. */
int config_parse(const char *file, struct slice text, const char *const *sets, size_t n_sets,
		 struct diag *d, struct config **ret) _must_check_;
struct config *config_free(struct config *c); /* returns NULL */

/*
 * For a reload: brings the keys that need a restart back to the values of `old`; on_kept is told
 * each key whose new value is thereby not in force. -ENOMEM.
 */
typedef void (*config_kept_fn)(void *ctx, const char *key);
int config_keep(struct config *c, const struct config *old, config_kept_fn on_kept,
		void *ctx) _must_check_;

/* The commented default file, a JSON Schema for editors, the man page's section (mdoc). */
int config_print_defaults(FILE *f) _must_check_;
int config_print_schema(FILE *f) _must_check_;
int config_print_man(FILE *f) _must_check_;

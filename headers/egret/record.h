/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The audit record as it crosses from a worker to the recorder, in a slot of the worker's slab
 * (userspace/audit/slab.h). One per decision, for denials too. Strings are NUL-terminated and cut
 * to fit. No header value, body byte or key is ever put here; `path` has no query.
 */
#pragma once

#include <linux/types.h>

#include "egret/rpc.h"

struct eg_record {
	__u8 request_id[16]; /* unique; shown as 32 hex digits, sent to the client too */
	__u64 time_us; /* wall clock at which the request head was complete */
	__u64 first_us; /* µs from then to the first response byte; 0: none came */
	__u64 total_us; /* µs to the end */
	__u64 bytes_in; /* request body bytes from the client */
	__u64 bytes_out; /* response body bytes to the client */
	__u64 cgroup;
	__u64 start_ns;
	__u64 key_fingerprint; /* keyed hash of a direct key; 0: there was none */
	__u64 max_tokens; /* as sent upstream; 0: none */
	__u32 decision; /* enum eg_reason: allowed or why not */
	__u32 end; /* enum eg_reason: how it ended; allowed = what was answered came whole */
	__u32 status; /* HTTP status the client got; 0: none */
	__u32 pid, uid, gid;
	__u32 worker;
	__u32 generation; /* of the policy */
	__u32 flags; /* EG_RECORD_* */
	__u32 pad;
	__u8 exe_sha256[32];
	char workload[EG_NAME_MAX];
	char provider[EG_NAME_MAX];
	char operation[EG_NAME_MAX];
	char credential[EG_NAME_MAX];
	char rule[EG_NAME_MAX];
	char shadow_rule[EG_NAME_MAX]; /* a shadow rule that would have decided otherwise */
	char model[128];
	char host[128];
	char method[16];
	char path[160];
	char exe[200];
	char cgroup_path[200];
	char container[72];
	char detail[200]; /* what to do, for a denial */
};
_Static_assert(sizeof(struct eg_record) == 1648, "struct eg_record is ABI");

enum eg_record_flag {
	EG_RECORD_HASHED = 1u << 0, /* exe_sha256 is valid */
	EG_RECORD_STREAM = 1u << 1, /* the client asked for a stream */
	EG_RECORD_CAPPED = 1u << 2, /* max_tokens was rewritten down or put in */
	EG_RECORD_REPLACED_KEY = 1u << 3, /* a direct key was taken out and replaced */
	EG_RECORD_DIRECT_KEY = 1u << 4, /* a direct key was seen */
	EG_RECORD_REUSED = 1u << 5, /* upstream connection came from the pool */
};

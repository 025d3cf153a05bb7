/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's parts, for the files of this folder. Each part has an owner file that alone changes
 * it; the struct only says where they are.
 */
#pragma once

#include "base/secret.h"
#include "event/loop.h"
#include "proxy/blocks.h"
#include "proxy/conns.h"
#include "proxy/ids.h"
#include "proxy/listen.h"
#include "proxy/names.h"
#include "proxy/note.h"
#include "proxy/passthrough.h"
#include "proxy/resolve.h"
#include "proxy/settings.h"
#include "proxy/share.h"
#include "proxy/vault_link.h"

struct attest;
struct channel;
struct generation;
struct leases;
struct slab;
struct tls_server;
struct upstream;

#define SCRATCH_SIZE ((size_t)64 * 1024)

/* Who asked for sockets of a family, for the answer. */
struct sockets_call {
	struct worker *w;
	int family;
};

struct counters {
	uint64_t requests, denied, passed_through;
};

struct worker {
	uint64_t netns; /* cookie of egretd's own network namespace */
	struct loop *loop;
	struct settings set;
	uint32_t index;
	uint8_t fingerprint_key[32];
	int flow_fd; /* the kernel's flow records */
	int status; /* exit status, once the loop ends */

	struct channel *monitor;
	struct sockets_call sockets[2]; /* IPv4, IPv6 */
	struct vault_link vault_link;
	struct channel *vault; /* NULL until the monitor has introduced it, and between two */
	struct slab *slab; /* NULL until it came: nothing is served without */
	struct generation *gen; /* the policy in force; NULL until the first came */
	struct attest *attest;
	struct leases *leases;
	struct tls_server *tls;
	struct upstream *upstream;

	struct listeners listeners;
	struct conns conns;
	struct shares shares;
	struct counters count;
	struct notes notes;
	struct names names;
	struct resolving resolving;
	struct ids ids;

	/* Working memory, used within one callback and never across two. */
	struct blocks blocks;
	struct pipes pipes;
	char *scratch; /* SCRATCH_SIZE bytes: what has just been read */
	char *hello_scratch; /* HELLO_WIRE_MAX bytes */
	struct secret egress; /* a request's head while it holds a credential */
	size_t head_room; /* of egress: what a head may take; a record's worth follows it */

	bool draining; /* accept nothing more, keep no connection after an answer */
	bool stopping; /* finish what is in flight, begin nothing */
	struct timer stop;
	struct timer tickets;
};

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Messages among egret's own processes, over SOCK_SEQPACKET socket pairs made by the monitor
 * (userspace/event/channel.h carries them). Same host: host byte order, fixed-width structs, no
 * pointers. Each type says who may send it; a message from a role that may not send
 * it, or longer than its bound, ends the channel (the offender is killed and replaced).
 *
 * A message is one datagram: struct eg_msg_header, then the body, then up to EG_MSG_FDS file
 * descriptors as ancillary data. Replies carry the request's id.
 */
#pragma once

#include <linux/types.h>

#include "egret/abi.h"

/* Of all that follows. Processes of two versions of egret meet when one is upgraded to the other:
 * then only if both have this number. Appending a message that processes of an earlier version are
 * not sent keeps it; changing one raises it. */
#define EG_RPC_VERSION 2

#define EG_MSG_MAX     65536 /* header and body */
#define EG_MSG_FDS     8

struct eg_msg_header {
	__u16 type; /* enum eg_msg_type */
	__u16 n_fds;
	__u32 id; /* of a request and its reply; 0: no reply is expected */
	__u32 len; /* of the body */
	__u32 pad;
};
_Static_assert(sizeof(struct eg_msg_header) == 16, "struct eg_msg_header is ABI");

/* Roles, as a bit set of who may send. */
#define EG_MONITOR  1u
#define EG_VAULT    2u
#define EG_RECORDER 4u
#define EG_WORKER   8u

/*
 * X(name, may be sent by, largest body)
 *
 * monitor -> child
 *   start       once, first: struct eg_start, then the role's configuration as JSON text (described
 *               in proxy/worker.h, vault/vault.h, audit/recorder.h); fds by role:
 *               worker: map of flow records (read-only); vault: none; recorder: the audit directory
 *   stop        finish what is in flight until eg_stop.deadline_ms, then exit
 *   peer        fd: a new channel to another role (struct eg_peer)
 *   policy      fds: catalogue image, policy image (sealed memfds), body struct eg_policy_push
 *   listener    fd: a listening socket to accept from (struct eg_listener)
 *   listener_drop struct eg_listener, family 0: close those of that network namespace, it is empty
 *   trust       fd: PEM bundle of upstream CAs, replaces the one before
 *   slab        fds: the worker's slab (worker), or a worker's slab to drain (recorder), and the
 *               eventfd that wakes the recorder; struct eg_slab
 *   log_level   struct eg_log_level: what is less important is no longer written
 *   slab_orphan struct eg_slab: that worker died: close its open records
 *   resolvers   struct eg_resolvers: the name servers to ask from now on (worker)
 * child -> monitor
 *   ready       the child is sandboxed and serves
 *   sockets     struct eg_sockets: wants stamped upstream sockets; reply carries the fds
 *   attest      struct eg_flow -> reply struct eg_principal
 *   resolved    struct eg_resolved: addresses of a governed name, as resolved by the worker
 *   note        struct eg_note: something an operator should see (becomes an event)
 *   conns       monitor asks with struct eg_conns; the worker answers with JSON text:
 *               {"stats": {"connections", "requests", "denied", "passed_through", "upstream_idle"},
 *               "conns": [rows of `flow list` in control/PROTOCOL.md, less what only the monitor
 * knows], "next": N} (next: there are more from N on) worker -> vault mint        struct eg_mint +
 * SubjectPublicKeyInfo DER -> reply: chain as PEM, or empty = refused lease       struct eg_lease
 * -> reply struct eg_leased + the credential's bytes (locked memory) tickets     -> reply struct
 * eg_tickets vault -> worker revoke      struct eg_revoke: forget leases older than this generation
 * monitor -> vault
 *   ca_load     fds: key file, certificate file (both may be empty files: make one) and body
 *               struct eg_ca_load + governed names, NUL-separated -> reply struct eg_ca_info + PEM
 *   credential  fd to read a key from: struct eg_credential -> reply struct eg_credential_info
 *   credential_drop struct eg_credential: forget it
 * monitor -> recorder
 *   query       fd: an authorised control connection to answer; body: the request, JSON text
 *   event       body: struct eg_note to store
 */
#define EG_MSGS(X)                                                                                 \
	X(start, EG_MONITOR, 65000)                                                                \
	X(stop, EG_MONITOR, 64)                                                                    \
	X(peer, EG_MONITOR, 64)                                                                    \
	X(policy, EG_MONITOR, 64)                                                                  \
	X(listener, EG_MONITOR, 64)                                                                \
	X(trust, EG_MONITOR, 64)                                                                   \
	X(slab, EG_MONITOR, 64)                                                                    \
	X(slab_orphan, EG_MONITOR, 64)                                                             \
	X(ready, EG_VAULT | EG_RECORDER | EG_WORKER, 64)                                           \
	X(sockets, EG_MONITOR | EG_WORKER, 64)                                                     \
	X(attest, EG_MONITOR | EG_WORKER, 2048)                                                    \
	X(resolved, EG_WORKER, 4096)                                                               \
	X(note, EG_VAULT | EG_RECORDER | EG_WORKER, 2048)                                          \
	X(conns, EG_MONITOR | EG_WORKER, 65000)                                                    \
	X(mint, EG_VAULT | EG_WORKER, 16384)                                                       \
	X(lease, EG_VAULT | EG_WORKER, 8192)                                                       \
	X(tickets, EG_VAULT | EG_WORKER, 512)                                                      \
	X(revoke, EG_VAULT, 64)                                                                    \
	X(ca_load, EG_MONITOR | EG_VAULT, 65000)                                                   \
	X(credential, EG_MONITOR | EG_VAULT, 1024)                                                 \
	X(credential_drop, EG_MONITOR, 1024)                                                       \
	X(query, EG_MONITOR, 65000)                                                                \
	X(event, EG_MONITOR, 2048)                                                                 \
	X(listener_drop, EG_MONITOR, 64)                                                           \
	X(log_level, EG_MONITOR, 64)                                                               \
	X(resolvers, EG_MONITOR, 256)

enum eg_msg_type {
	EG_MSG_none,
#define X(name, from, max) EG_MSG_##name,
	EG_MSGS(X)
#undef X
		EG_MSG_COUNT
};

struct eg_start {
	__u32 role; /* one EG_* role bit */
	__u32 index; /* of the worker */
	__u32 log_level, log_json;
	/* Of this installation, kept in the state directory: key of the fingerprints of direct
	 * keys, so that equal keys are recognised in the log and nobody can try keys against it. */
	__u8 fingerprint_key[32];
};

struct eg_conns {
	__u32 want_rows; /* 0: stats only */
	__u32 from; /* position to go on from */
};

struct eg_stop {
	__u32 deadline_ms;
	__u32 drain; /* worker: 1: what is open is served on, each connection to the end of its
			next answer; nothing new is accepted */
};

struct eg_peer {
	__u32 role, index;
};

struct eg_policy_push {
	__u32 generation, pad;
};

struct eg_listener {
	__u32 family, pad;
	__u64 netns; /* cookie */
};

struct eg_slab {
	__u32 worker, slots;
};

struct eg_log_level {
	__u32 level, pad; /* enum log_level */
};

#define EG_RESOLVERS_MAX 8
struct eg_resolvers {
	__u32 n, pad; /* 1 or more */
	struct eg_addr addr[EG_RESOLVERS_MAX];
};

struct eg_sockets {
	__u32 family; /* AF_INET or AF_INET6 */
	__u32 count; /* at most EG_MSG_FDS */
	__u64 netns; /* cookie of the namespace that they shall be of; 0: egretd's own */
	__u32 is_governed; /* 1: for an address of the endpoint map: where the backstop would drop
			      what they send, they are of egretd's namespace all the same */
	__u32 pad;
};

#define EG_NAME_MAX 64 /* workload, provider, model rule, credential ids: 63 bytes and NUL */

/* Who a connection belongs to. Strings are NUL-terminated and cut to fit. */
struct eg_principal {
	__u32 generation; /* policy generation this was matched against */
	__u32 workload; /* index in that policy's workloads; 0 is `unknown` */
	__u32 reason; /* enum eg_reason: why it is `unknown` (allowed when it is not) */
	__u32 pid, uid, gid;
	__u64 cgroup;
	__u64 start_ns;
	__u8 exe_sha256[32]; /* zero when has_hash is 0 */
	__u32 has_hash;
	__u32 passing; /* 1: something that decides could not be asked; ask again next time */
	char name[EG_NAME_MAX]; /* workload's name */
	char exe[256];
	char cgroup_path[256];
	char unit[128];
	char container[80];
	char user[40];
};

#define EG_RESOLVED_ADDRS 64
struct eg_resolved {
	__u32 provider; /* index in the catalogue */
	__u32 n;
	__u32 ttl_s, pad;
	char host[256];
	struct eg_addr addr[EG_RESOLVED_ADDRS];
};

/* An event for operators: a trust failure, a refusal below HTTP, a tripwire. */
struct eg_note {
	__u64 time_us; /* wall clock */
	__u32 reason; /* enum eg_reason */
	__u32 pid, uid, hook;
	__u64 cgroup;
	char workload[EG_NAME_MAX];
	char exe[256];
	char host[256];
	char text[256]; /* what to do */
};

struct eg_mint {
	__u32 host_n; /* bytes of the host name that follow, then the DER key */
	__u32 key_n;
};

struct eg_lease {
	char credential[EG_NAME_MAX];
	char provider[EG_NAME_MAX];
	char workload[EG_NAME_MAX]; /* for the count of grants */
};

struct eg_leased {
	__u32 status; /* 0, or errno: ENOENT no such credential, EIO source unreadable */
	__u32 n; /* bytes that follow */
	__u32 generation;
	__u32 ttl_ms;
};

struct eg_tickets {
	__u8 key[80]; /* name 16, HMAC 32, AES-256 32: see SSL_CTX_set_tlsext_ticket_keys */
	__u8 previous[80];
};

struct eg_revoke {
	__u32 generation, pad;
};

struct eg_ca_load {
	__u32 rotate; /* 1: make a new key even if there is one */
	__u32 names_n; /* bytes of names that follow */
};

struct eg_ca_info {
	__u32 status; /* 0 or errno */
	__u32 made; /* 1: a new certificate was written */
	__u64 not_before_us, not_after_us;
	__u8 sha256[32];
	__u32 pem_n; /* certificates that follow: newest first, older ones still in overlap */
	__u32 kept; /* 0, or errno: a new one is due and cannot be written; the old one serves */
};

struct eg_credential {
	char id[EG_NAME_MAX];
	char provider[EG_NAME_MAX];
};

struct eg_credential_info {
	__u32 status; /* 0 or errno */
	__u32 generation;
	char fingerprint[24]; /* first 16 hex digits of a keyed hash */
	char last4[8]; /* empty when the key is shorter than 16 bytes */
};

/* A size that changes is a new EG_RPC_VERSION. */
#define EG_RPC_SIZE(type, size)                                                                    \
	_Static_assert(sizeof(struct type) == (size), "struct " #type " is ABI")
EG_RPC_SIZE(eg_start, 48);
EG_RPC_SIZE(eg_conns, 8);
EG_RPC_SIZE(eg_stop, 8);
EG_RPC_SIZE(eg_peer, 8);
EG_RPC_SIZE(eg_policy_push, 8);
EG_RPC_SIZE(eg_listener, 16);
EG_RPC_SIZE(eg_slab, 8);
EG_RPC_SIZE(eg_log_level, 8);
EG_RPC_SIZE(eg_resolvers, 136);
EG_RPC_SIZE(eg_sockets, 24);
EG_RPC_SIZE(eg_principal, 904);
EG_RPC_SIZE(eg_resolved, 1296);
EG_RPC_SIZE(eg_note, 864);
EG_RPC_SIZE(eg_mint, 8);
EG_RPC_SIZE(eg_lease, 192);
EG_RPC_SIZE(eg_leased, 16);
EG_RPC_SIZE(eg_tickets, 160);
EG_RPC_SIZE(eg_revoke, 8);
EG_RPC_SIZE(eg_ca_load, 8);
EG_RPC_SIZE(eg_ca_info, 64);
EG_RPC_SIZE(eg_credential, 128);
EG_RPC_SIZE(eg_credential_info, 40);
#undef EG_RPC_SIZE

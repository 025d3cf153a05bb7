/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the BPF programs and userspace share: addresses, the flow record, verdicts, map values.
 *
 * Every integer is in host order unless its type says otherwise. Addresses are always 16 bytes in
 * network order; IPv4 is written as ::ffff:a.b.c.d, so that one lookup serves both families.
 * Nothing here is reinterpreted: a layout change is a new map (its number in EG_MAPS, names.h),
 * made beside the old one.
 */
#pragma once

#include <linux/types.h>

#include "egret/reasons.h"

#define EG_ABI_VERSION 1 /* of the directory of pins */

/* The port of the proxy's listeners, on 127.0.0.1 and ::1 of each network namespace. */
#define EG_PROXY_PORT  15001

/* What eg_stamp says of a socket. */
enum eg_stamp_value {
	EG_STAMP_OWN = 1,
	/* In a network namespace of others, who can rewrite what leaves it: passes to the address
	 * it is connected to, not to governed ones besides. */
	EG_STAMP_LENT = 2,
};

struct eg_addr {
	__be32 a[4];
};

/*
 * Who connected, and where to: written by eg_connect4/6 while the socket is locked, handed by
 * eg_sockops to the accepted socket, read there by the worker through the socket's fd.
 *
 * A principal is the cgroup plus {tgid, start_ns}: a pid alone may be reused. `exe_ino`, `exe_dev`
 * (kernel encoding: major << 20 | minor) and `exe_gen` name the inode the process was running at
 * the moment of connect(). `comm` is for people; processes choose it themselves.
 */
struct eg_flow {
	__u64 cookie; /* client socket cookie */
	__u64 netns; /* network namespace cookie of the client socket */
	__u64 cgroup; /* cgroup id of the caller */
	__u64 sk_cgroup; /* cgroup id of the socket's creator */
	__u64 ancestor[4]; /* the caller's ancestors at levels 1..4; 0 where there is none */
	__u64 start_ns; /* boot time at which the thread group leader started */
	__u64 time_ns; /* CLOCK_MONOTONIC at connect() */
	__u64 exe_ino;
	__u32 exe_dev, exe_gen;
	__u32 tgid, tid, uid, gid;
	__u32 flags; /* EG_FLOW_* */
	__u32 provider; /* value of the endpoint that matched: provider index + 1, 0: none */
	struct eg_addr dst; /* where the client wanted to go, un-embedded */
	__u16 dport;
	__u8 family; /* AF_INET or AF_INET6: of the socket call */
	__u8 proto;
	__u32 isn; /* client's initial sequence number, proves the hand-over */
	char comm[16];
};
_Static_assert(sizeof(struct eg_flow) == 160, "struct eg_flow is ABI");

enum eg_flow_flag {
	EG_FLOW_KTHREAD = 1u << 0, /* connected by a kernel thread: never served */
	EG_FLOW_CGROUP_DIFFERS = 1u << 1, /* socket created in another cgroup than the caller's */
	EG_FLOW_MAPPED = 1u << 2, /* IPv4 address on an IPv6 socket */
	EG_FLOW_EMBEDDED = 1u << 3, /* IPv4 address inside NAT64, 6to4, ... */
	EG_FLOW_LEARNED = 1u << 4, /* endpoint learned from DNS, not from the catalogue */
	EG_FLOW_DENIED =
		1u << 5, /* egress mode denies the address: governed names alone are served */
};

/* Client four-tuple as the listener sees it, within one network namespace. */
struct eg_tuple {
	__u64 netns;
	struct eg_addr laddr, raddr;
	__u16 lport, rport;
	__u32 pad;
};
_Static_assert(sizeof(struct eg_tuple) == 48, "struct eg_tuple is ABI");

/* Key of the endpoint trie; value is struct eg_endpoint. */
struct eg_endpoint_key {
	__u32 prefix_len; /* 0..128, of the 16-byte form */
	struct eg_addr addr;
};
_Static_assert(sizeof(struct eg_endpoint_key) == 20, "struct eg_endpoint_key is ABI");

enum eg_endpoint_source {
	EG_ENDPOINT_CATALOGUE = 1, /* a CIDR written in the catalogue or configuration */
	EG_ENDPOINT_RESOLVED = 2, /* the daemon resolved a governed name to it */
	EG_ENDPOINT_LEARNED = 3, /* a workload's resolver answered with it: valid in its cgroup */
	EG_ENDPOINT_TRIPWIRE = 4, /* a governed server name was sent to it: valid in that cgroup */
	EG_ENDPOINT_OWN_DNS = 5, /* as EG_ENDPOINT_LEARNED, from a resolver of struct eg_own_dns */
};

struct eg_endpoint {
	__u32 provider; /* provider index + 1 */
	__u32 source; /* enum eg_endpoint_source */
	__u64 since_ns; /* CLOCK_MONOTONIC when it was last confirmed */
};
_Static_assert(sizeof(struct eg_endpoint) == 16, "struct eg_endpoint is ABI");

/*
 * Names whose addresses are learned from DNS answers. Key of a trie, the name backwards with a dot
 * before each label, so that a prefix is a suffix of the name: ".openai.com" is "moc.ianepo." and
 * covers every name below openai.com, never notopenai.com.
 */
#define EG_NAME_BYTES 252 /* a trie's data is at most 256 bytes */
struct eg_name_key {
	__u32 prefix_len; /* bits */
	__u8 s[EG_NAME_BYTES];
};
_Static_assert(sizeof(struct eg_name_key) == 256, "struct eg_name_key is ABI");

/* A name below must begin with one of n_prefixes strings, compared as masked words:
 * ".bedrock-runtime." with 0xff where a byte counts. */
#define EG_NAME_PREFIXES     8
#define EG_NAME_PREFIX_BYTES 32
struct eg_name_prefix {
	__u64 want[EG_NAME_PREFIX_BYTES / 8];
	__u64 mask[EG_NAME_PREFIX_BYTES / 8];
};
struct eg_name {
	__u32 provider; /* index + 1 */
	__u32 exact; /* 1: only the name itself, not those below it */
	__u32 name_n; /* bytes of ".api.openai.com" */
	__u32 n_prefixes; /* 0: every name below */
	struct eg_name_prefix prefix[EG_NAME_PREFIXES];
};
_Static_assert(sizeof(struct eg_name) == 528, "struct eg_name is ABI");

/*
 * Addresses learned in one cgroup, a set-associative table: the address chooses the set, the oldest
 * of a full set makes room. One cgroup can only push out its own.
 */
#define EG_LEARNED_SETS 32
#define EG_LEARNED_WAYS 8
struct eg_learned_entry {
	struct eg_addr addr;
	__u64 time_ns; /* CLOCK_MONOTONIC of the answer; 0: free */
	__u32 provider; /* index + 1, or EG_PROVIDER_LOOK */
	__u32 source; /* enum eg_endpoint_source */
};
struct eg_learned {
	struct eg_learned_entry entry[EG_LEARNED_SETS][EG_LEARNED_WAYS];
};
_Static_assert(sizeof(struct eg_learned) == 8192, "struct eg_learned is ABI");

/*
 * Resolvers that a network namespace's own processes use: of their resolv.conf, which they may
 * write and answer themselves. What these say is redirected, in that namespace and in the cgroup
 * that heard it; it opens nothing.
 */
#define EG_OWN_DNS_MAX 8
struct eg_own_dns {
	__u32 n;
	__u32 pad;
	struct eg_addr addr[EG_OWN_DNS_MAX];
};
_Static_assert(sizeof(struct eg_own_dns) == 136, "struct eg_own_dns is ABI");

/* In place of a provider: nobody knows whose address it is, but a server name sent to it could not
 * be read from packets. TCP to any of its ports goes through egret, which reads it from the stream.
 */
#define EG_PROVIDER_LOOK 0xffffffffu

/*
 * What policy says of a cgroup and of everything below it that has no mode of its own. The caller's
 * cgroup and the socket's both count: the stricter of each member applies.
 */
enum eg_capture {
	EG_CAPTURE_NAMES, /* governed addresses are redirected */
	EG_CAPTURE_TLS, /* and TCP to every redirected port, 443 first of all */
	EG_CAPTURE_ALL, /* and TCP to every port */
};
enum eg_egress { EG_EGRESS_ALLOW, EG_EGRESS_DENY };
struct eg_mode {
	__u32 capture; /* enum eg_capture */
	__u32 egress; /* enum eg_egress */
	__u32 list; /* of EG_EGRESS_DENY: what may be reached all the same; 0: nothing */
	__u32 workload; /* index in the policy; for people */
};
_Static_assert(sizeof(struct eg_mode) == 16, "struct eg_mode is ABI");

/* What one entry of an allow-list, or several for the same destination, let through. */
#define EG_SERVICES_MAX 14
struct eg_service {
	__u16 port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad;
};
struct eg_allow {
	__u32 list;
	__u32 n; /* services; 0: every port of every protocol */
	struct eg_service service[EG_SERVICES_MAX];
};
_Static_assert(sizeof(struct eg_allow) == 64, "struct eg_allow is ABI");

/* Key of the trie of allowed addresses; value is struct eg_allow. */
struct eg_allow_key {
	__u32 prefix_len; /* 32 + 0..128 */
	__u32 list;
	struct eg_addr addr;
};
_Static_assert(sizeof(struct eg_allow_key) == 24, "struct eg_allow_key is ABI");

/* Key of the trie of allowed names: a list, then the name as in eg_name_key. The longest key that
 * fits a name says all: what shorter ones allow below them has been added to it. A rule is the key
 * of a struct eg_allow; 0: none. */
struct eg_allow_name_key {
	__u32 prefix_len; /* 32 + bits of the name */
	__u32 list;
	__u8 s[EG_NAME_BYTES];
};
_Static_assert(sizeof(struct eg_allow_name_key) == 260, "struct eg_allow_name_key is ABI");
struct eg_allow_name {
	__u64 self; /* rule for exactly this name */
	__u64 below; /* rule for names below it */
	__u32 name_n; /* bytes of ".pypi.org" */
	__u32 pad;
};
_Static_assert(sizeof(struct eg_allow_name) == 24, "struct eg_allow_name is ABI");

/*
 * Addresses that allowed names had in answers to one cgroup, in one network namespace: whoever owns
 * a namespace answers there what it likes. A table like struct eg_learned.
 */
struct eg_allowed_entry {
	struct eg_addr addr;
	__u64 time_ns; /* CLOCK_MONOTONIC of the answer; 0: free */
	__u64 netns; /* cookie */
	__u64 rule;
};
struct eg_allowed {
	struct eg_allowed_entry entry[EG_LEARNED_SETS][EG_LEARNED_WAYS];
};
_Static_assert(sizeof(struct eg_allowed) == 10240, "struct eg_allowed is ABI");
/* For new connections; those that were made with one go on. */
#define EG_ALLOWED_KEEP_NS (24ull * 3600 * 1000000000ull)

/* Why packets of a socket pass the gate of a cgroup that may not reach just anything. */
struct eg_open {
	struct eg_addr dst;
	__u64 rule; /* a name's: good for dst while the rule is in force, also when the table of
		       addresses has forgotten it; 0: none */
	__u32 passive; /* 1: the peer made the connection */
	__u32 pad;
};
_Static_assert(sizeof(struct eg_open) == 32, "struct eg_open is ABI");

/*
 * Names by which one cgroup with a denied egress asked for addresses that are not on its list, for
 * people: the newest.
 */
#define EG_ASKED      32
#define EG_EVENT_NAME 128
struct eg_asked_entry {
	struct eg_addr addr;
	char name[EG_EVENT_NAME]; /* as in struct eg_event; "": free */
};
struct eg_asked {
	__u64 next; /* place of the next one, modulo EG_ASKED */
	struct eg_asked_entry entry[EG_ASKED];
};
_Static_assert(sizeof(struct eg_asked) == 4616, "struct eg_asked is ABI");

/* What the backstop knows of a device of the host whose other end a workload holds. */
struct eg_veth {
	__u64 netns; /* cookie of the workload's network namespace; 0: not known yet */
	__u64 dropped; /* packets */
	__u64 since_ns; /* beginning of the second that `events` counts */
	__u64 events;
};
_Static_assert(sizeof(struct eg_veth) == 32, "struct eg_veth is ABI");

/*
 * Kernel event, one per refusal or oddity, in the ring buffer eg_events; rate-limited per cgroup,
 * those of EG_HOOK_VETH per device (of the flow they know netns, dst, family and proto alone).
 * EG_HOOK_SOCK_CREATE with reason `allowed` is no refusal: the first sockets of a network namespace
 * in which the monitor has no listener yet.
 */
struct eg_event {
	__u32 hook; /* enum eg_hook */
	__u32 reason; /* enum eg_reason (reasons.h) */
	struct eg_flow flow;
	/* The connection as its socket has it, where the monitor is to end it; lport 0: it is not.
	 */
	struct eg_addr laddr, raddr;
	__u16 lport, rport;
	__u32 ifindex; /* that it is bound to; 0: to none */
	/* A host name of which the event is, cut to fit, padded with NUL; bytes as a workload or
	 * its resolver sent them. */
	char name[EG_EVENT_NAME];
};
_Static_assert(sizeof(struct eg_event) == 336, "struct eg_event is ABI");

/* Where the kernel side decides, and how people read it. Stored in events: append. */
#define EG_HOOKS(X)                                                                                \
	X(CONNECT4, "connect4")                                                                    \
	X(CONNECT6, "connect6")                                                                    \
	X(SENDMSG4, "sendmsg4")                                                                    \
	X(SENDMSG6, "sendmsg6")                                                                    \
	X(GETPEERNAME4, "getpeername4")                                                            \
	X(GETPEERNAME6, "getpeername6")                                                            \
	X(BIND4, "bind4")                                                                          \
	X(BIND6, "bind6")                                                                          \
	X(SOCK_CREATE, "sock_create")                                                              \
	X(SETSOCKOPT, "setsockopt")                                                                \
	X(SOCKOPS, "sockops")                                                                      \
	X(EGRESS, "egress")                                                                        \
	X(INGRESS, "ingress")                                                                      \
	X(VETH, "veth")

enum eg_hook {
#define X(name, text) EG_HOOK_##name,
	EG_HOOKS(X)
#undef X
		EG_HOOK_COUNT
};

/* Keys of eg_count, an array of per-CPU __u64. */
#define EG_COUNT_KEY(hook, reason) ((__u32)(hook)*EG_REASON_COUNT + (__u32)(reason))
#define EG_COUNT_EVENTS_LOST	   ((__u32)EG_HOOK_COUNT * EG_REASON_COUNT) /* ring buffer full */
#define EG_COUNT_EVENTS_LIMITED	   (EG_COUNT_EVENTS_LOST + 1) /* held back by eg_limit */
#define EG_COUNT_DNS_ANSWERS	   (EG_COUNT_EVENTS_LOST + 2) /* from resolvers that are believed */
#define EG_COUNT_DNS_LEARNED	   (EG_COUNT_EVENTS_LOST + 3) /* addresses */
#define EG_COUNT_DNS_BAD	   (EG_COUNT_EVENTS_LOST + 4) /* not understood */
#define EG_COUNT_DNS_ECH	   (EG_COUNT_EVENTS_LOST + 5) /* governed names with ECH keys */
#define EG_COUNT_SNI_OTHER	   (EG_COUNT_EVENTS_LOST + 6) /* hellos with a name that is free */
#define EG_COUNT_SNI_NONE	   (EG_COUNT_EVENTS_LOST + 7) /* connections without one, or older */
#define EG_COUNT_MAX		   (EG_COUNT_EVENTS_LOST + 8)

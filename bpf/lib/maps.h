/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every map, with who writes it, who reads it and what a full one means. None is ever pinned: a pin
 * can be opened by uid 0 of a user namespace. A layout change is a new number in EG_MAPS.
 */
#pragma once

#include "lib/chain.h"
#include "lib/sni.h"

/*
 * Sockets of egret itself: the only exemption. Written by the monitor through a socket's fd, and by
 * the kernel when a stamped listener accepts (F_CLONE). Read by every hook. No memory: the socket
 * stays unstamped and is refused like any other.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, __u64);
} eg_stamp SEC(".maps");

/* What the client's socket carries: the record, and the address it asked for, as it spelt it. */
struct client {
	struct eg_flow flow;
	struct eg_addr asked;
};

/*
 * On the client's socket, from connect() until it connects again or closes. Written by
 * eg_connect4/6 and eg_sockops (isn), read by eg_sockops, eg_getpeername4/6 and the flow iterator.
 * No memory: the connection is refused.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct client);
} eg_cflow SEC(".maps");

/*
 * On the accepted socket. Written by eg_sockops, read by workers through a read-only fd. No memory:
 * the worker finds no record and closes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct eg_flow);
} eg_aflow SEC(".maps");

/*
 * From SYN to established, microseconds on loopback. Written and consumed by eg_sockops alone. LRU:
 * who fills it with half-open connections evicts its own, which are the oldest; an evicted
 * connection arrives without a record and is closed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct eg_tuple);
	__type(value, struct eg_flow);
} eg_tuple SEC(".maps");

/*
 * Governed addresses, written by the monitor, read by the connect, sendmsg and egress hooks. Full:
 * the monitor is told -ENOSPC and must say so: the address would be reached without egret.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct eg_endpoint_key);
	__type(value, struct eg_endpoint);
} eg_endpoint SEC(".maps");

/* Decisions by hook and reason (EG_COUNT_KEY). Written by every hook, summed by readers. Never
 * full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EG_COUNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} eg_count SEC(".maps");

/* Refusals, for the monitor. Full: the event is lost and counted; the refusal stands. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} eg_events SEC(".maps");

/* First refusal reason the kernel gives, and a power of two of slots: one for each. */
#define LIMIT_FIRST EG_REASON_k_no_listener
#define LIMIT_SLOTS 32
#define LIMIT_NETNS (LIMIT_SLOTS - 1) /* of sockets in a namespace without a listener */
_Static_assert(EG_REASON_COUNT - LIMIT_FIRST <= LIMIT_NETNS,
	       "a slot for each of the kernel's reasons");
struct limit {
	struct {
		__u64 since_ns;
		__u64 n;
	} slot[LIMIT_SLOTS];
};

/*
 * Rate of events, on the cgroup itself: one cgroup cannot push out another's and it dies with it.
 * Written and read by the hooks. No memory: the event is held back and counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct limit);
} eg_limit SEC(".maps");

/* Names to learn addresses of, written by the monitor, read by eg_ingress. Full: as eg_endpoint. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct eg_name_key);
	__type(value, struct eg_name);
} eg_name SEC(".maps");

/*
 * Addresses that answer DNS for this host and its workloads, written by the monitor, read by
 * eg_ingress: the cookie of the network namespace that one is believed in (loopback, which anybody
 * has in a namespace of his own), or 0: any. A workload that forges an answer from one of them only
 * adds to what is redirected, in its own cgroup. Full: the monitor is told; that resolver's answers
 * are not learned.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct eg_addr);
	__type(value, __u64);
} eg_resolver SEC(".maps");

/*
 * Resolvers of network namespaces besides, by cookie; written by the monitor from the resolv.conf
 * of who is in one, read by eg_ingress alone: they teach what to redirect, never what a list of
 * names lets through, and port 53 is not open to them. Full: cannot be, as eg_netns.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct eg_own_dns);
} eg_own_dns SEC(".maps");

/*
 * What was learned, on the cgroup of the socket that got the answer, or sent the server name; it
 * dies with it. Written by eg_ingress and eg_egress, read by the connect, sendmsg and egress hooks.
 * No memory: not learned, counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct eg_learned);
} eg_learned SEC(".maps");

/*
 * Network namespaces (cookies) that have a listener, written by the monitor, read by
 * eg_sock_create, which says when there is another one. Full: cannot be, limits.namespaces is
 * smaller.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u64);
} eg_netns SEC(".maps");

/*
 * Devices that the backstop is attached to (ifindex in the monitor's network namespace), written by
 * the monitor, counted in by eg_veth. Full: a device without an entry drops all the same, unseen
 * but for eg_count.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct eg_veth);
} eg_veth SEC(".maps");

/* One entry: 1 when policy has modes. While it is 0, the maps below are not looked at, so that
 * hosts without them pay nothing. Written by the monitor, read by every hook that decides. Never
 * full. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} eg_switch SEC(".maps");

/*
 * Modes, on the cgroups that policy names. Written by the monitor through a cgroup's fd, read by
 * the hooks for a cgroup and, where it has none, for the nearest above it that has one
 * (lib/mode.h).
 *
 * Storage of the cgroup rather than a hash by id: it goes with the cgroup, so thousands that come
 * and go leave nothing behind and no table can be filled; an id looked up at the wrong moment
 * cannot mean another. The walk upwards rather than an entry on every cgroup: a new cgroup has its
 * parent's mode from its first instruction on, whether the monitor has seen it or not, and who may
 * make cgroups below its own cannot step out of a mode by doing so. It costs a pointer and a
 * look-up a level, and only while eg_switch is on. No memory: the monitor is told; the mode above
 * holds.
 */
struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct eg_mode);
} eg_mode SEC(".maps");

/* Addresses on allow-lists, written by the monitor, read by connect, sendmsg and egress hooks.
 * Full: the monitor is told; what did not fit is refused. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct eg_allow_key);
	__type(value, struct eg_allow);
} eg_allow SEC(".maps");

/* Names on allow-lists, written by the monitor, read by eg_ingress. Full: as eg_allow. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct eg_allow_name_key);
	__type(value, struct eg_allow_name);
} eg_allow_name SEC(".maps");

/* By rule; written by the monitor, read where an address of a name is checked: a rule that left the
 * policy lets nothing more through, whatever was learned for it. Full: as eg_allow. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct eg_allow);
} eg_allow_rule SEC(".maps");

/*
 * Addresses of allowed names, on the cgroup of the socket that got the answer; apart from
 * eg_learned, so that neither pushes out the other. Written by eg_ingress, read by connect, sendmsg
 * and egress hooks. No memory: not learned, so refused; counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct eg_allowed);
} eg_allowed SEC(".maps");

/* On the same cgroup: what it called addresses that are not on its list. Written by eg_ingress,
 * read for events of refusals. No memory: an event without a name. */
struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct eg_asked);
} eg_asked SEC(".maps");

/* On the socket, from connect() or from its birth in accept(). Written by eg_connect4/6 and
 * eg_sockops, read by eg_egress. No memory: its packets pass while the tables allow them. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct eg_open);
} eg_open SEC(".maps");

/* What the tripwire knows of a connection (lib/trip.h). */
struct trip {
	__u32 phase; /* enum trip_phase */
	__u32 reason; /* of TRIP_TRIPPED */
	__u32 seq; /* of its first payload byte that we saw */
	__u32 seen; /* bytes there were when it was last held */
	__u32 stalls; /* times it was held with no more of them */
	__u32 reported;
	__u32 next; /* TRIP_FOLLOWING: where the chain has come to */
	struct chain chain;
};

/* On the socket, from its first payload to its end. Written and read by eg_egress, while the
 * kernel has the socket locked. No memory: the packet is dropped, the kernel sends it again. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct trip);
} eg_trip SEC(".maps");

/* The same, while the server name is read. On the socket rather than one a CPU: this runs for
 * processes, and can be preempted. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sni);
} eg_sni SEC(".maps");

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side as the monitor uses it: programs loaded, attached, adopted and released, egret's
 * own sockets, listeners, governed addresses, events. With inspect.h (what the CLI reads, also from
 * the pins of a dead daemon) the only users of libbpf. Never logs; says what failed in a diag.
 *
 * Order of a start; any gap in it refuses governed connections, none lets them through:
 *
 *   dataplane_bpffs_mount()     once per boot; then each start:
 *   dataplane_open()            takes the lock; loads; finds what an earlier daemon left attached
 *   dataplane_endpoint_set()    for every governed address known so far
 *   dataplane_attach()          attaches what is missing, updates in place what is there
 *   dataplane_listen()          for each network namespace, at once for the monitor's own
 *
 * The process that calls dataplane_listen() and whose sockets it stamps must itself be inside the
 * attached cgroup, or the hand-over of flow records never runs for its listeners (always so when
 * attached at the root). Links are pinned and outlive the daemon: dataplane_free() leaves them
 * enforcing; only dataplane_release() takes them away. Maps are never pinned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/slice.h"
#include "egret/abi.h"

struct dataplane;
struct inspect;

#define DATAPLANE_PORTS_MAX 8

/* One line of libbpf's warnings, without newline. libbpf keeps one printer per process. */
typedef void (*dataplane_print_fn)(void *ctx, const char *line);

/* Zero is a valid "default" for every field but `pins`. */
struct dataplane_opts {
	const char *cgroup; /* directory to attach to; NULL: root of the cgroup2 mount */
	const char *pins; /* directory in a bpffs: EG_BPFFS_DIR */
	/* TCP ports of governed endpoints that are redirected besides 443; 0 ends the list. */
	uint16_t extra_ports[DATAPLANE_PORTS_MAX - 1];
	/* The site's own NAT64 prefix (RFC 6052). Bits: 32 40 48 56 64 96; 0: none. */
	struct eg_addr nat64;
	uint8_t nat64_bits;
	bool allow_raw; /* let SOCK_RAW and other IP protocols be created; the gate still sees
			   packets */
	/* Not 0: the lock, held by this process since before it executed this binary. Taken. */
	int lock_fd;
	dataplane_print_fn print; /* NULL: silence */
	void *print_ctx;
};

/*
 * Mounts a bpffs at `dir` (made if missing) unless one is there: private, nosuid, nodev, noexec,
 * mode 0700, owned by `owner`. A non-zero owner keeps out uid 0 of a user namespace, which could
 * unlink pins otherwise. The mount namespace must outlive the daemon (the host's does): pins die
 * with the last mount, and enforcement with them.
 */
int dataplane_bpffs_mount(const char *dir, uid_t owner, struct diag *d) _must_check_;
/* After a release; leaves it to another daemon that has it open. */
void dataplane_bpffs_unmount(const char *dir);

/* -EBUSY: another instance holds the lock. -EPROTO: pins of another ABI version. -EXDEV: pins are
 * attached to another cgroup. Everything else: -errno; `d` has the words. */
int dataplane_open(const struct dataplane_opts *o, struct diag *d,
		   struct dataplane **ret) _must_check_;
/*
 * Whether dataplane_open() would succeed, beside a daemon that runs: the kernel takes this build's
 * programs, with the maps of what is attached. Takes no lock, attaches nothing, writes to no map.
 * ret_links: hooks that were found attached. Errors as dataplane_open()'s, but for -EBUSY.
 */
int dataplane_try(const struct dataplane_opts *o, struct diag *d, unsigned *ret_links) _must_check_;
/* Closes every fd and the lock; enforcement goes on from the pins. Returns NULL. */
struct dataplane *dataplane_free(struct dataplane *dp);
/* All or an error: afterwards every hook of EG_PROGS runs this build's program. */
int dataplane_attach(struct dataplane *dp, struct diag *d) _must_check_;
/* Detaches everything and removes the pins: enforcement ends. Works without dataplane_attach(). */
int dataplane_release(struct dataplane *dp, struct diag *d) _must_check_;
/* The same with no daemon there: takes away what one left in `dir`, and unmounts it. -ENOENT: there
 * is no such directory. -EBUSY: one runs. -ENODEV: it is no bpffs. Everything else: as above. */
int dataplane_release_left(const char *dir, struct diag *d) _must_check_;
/* Links of an earlier daemon were found by dataplane_open(); endpoints survive in them. */
bool dataplane_adopted(const struct dataplane *dp);
/* Maps that were made beside those of the attached programs, whose layout is another. */
unsigned dataplane_new_maps(const struct dataplane *dp);
/* What inspect.h reads; borrowed, valid while dp is, complete after dataplane_attach(). */
const struct inspect *dataplane_inspect(const struct dataplane *dp);
int dataplane_lock_fd(const struct dataplane *dp); /* borrowed */
uint64_t dataplane_cgroup_id(const struct dataplane *dp); /* as flow records have it */
const char *dataplane_cgroup(const struct dataplane *dp); /* borrowed */

/* Exempts a socket of egret's own, before it connects, binds or sends. Never for a socket that
 * anybody else can get at. */
int dataplane_stamp(struct dataplane *dp, int sock_fd) _must_check_;
/* A stamped TCP socket for a connection upstream, close-on-exec and non-blocking: EG_STAMP_OWN; or
 * in the network namespace of netns_fd (-1: the caller's), EG_STAMP_LENT. */
int dataplane_socket(struct dataplane *dp, int netns_fd, int family, int *ret_fd) _must_check_;
/* A new read-only fd for flow_take(), to hand to a worker. */
int dataplane_flow_fd(struct dataplane *dp, int *ret_fd) _must_check_;

/*
 * n stamped listeners on EG_PROXY_PORT of loopback (127.0.0.1 or ::1), one SO_REUSEPORT group, in
 * the network namespace of netns_fd (-1: the caller's). All n or none. Close them when the
 * namespace's last workload is gone: they pin it. -EADDRNOTAVAIL: the namespace has no such
 * loopback address (no IPv6, or lo is down; IPv4 can be had all the same); -EADDRINUSE: another
 * process had the port before enforcement began. Both are worth a later retry.
 */
int dataplane_listen(struct dataplane *dp, int netns_fd, int family, unsigned n, int *ret_fds,
		     uint64_t *ret_netns) _must_check_;
/* The cookie under which eg_flow.netns names the namespace of a socket / of a namespace fd. */
int dataplane_socket_netns(int sock_fd, uint64_t *ret_cookie) _must_check_;
int dataplane_netns_cookie(int netns_fd, uint64_t *ret_cookie) _must_check_;
/* Whether the loopback device of a socket's namespace is up. */
int dataplane_loopback_up(int sock_fd, bool *ret) _must_check_;
/*
 * dataplane_listen() notes each namespace that it opened a listener in, if its loopback device is
 * up: of others the kernel says when sockets are made there (EG_HOOK_SOCK_CREATE, see struct
 * eg_event). With listeners that came otherwise, note it; when they are closed, forget it.
 */
int dataplane_netns_note(struct dataplane *dp, uint64_t cookie) _must_check_;
void dataplane_netns_forget(struct dataplane *dp, uint64_t cookie);

/*
 * Governed addresses. A key is brought to the form the hooks look up (embedded IPv4 taken out, bits
 * past the prefix zeroed). `source`: enum eg_endpoint_source; an entry written in the catalogue is
 * never replaced by a resolved one. -EADDRNOTAVAIL: covers loopback, link-local, multicast or
 * unspecified addresses: what a hostile DNS answer would say. -ENOSPC: full: that address would be
 * reached without egret, so the caller must say so loudly. now_ns: CLOCK_MONOTONIC.
 */
int dataplane_endpoint_set(struct dataplane *dp, const struct eg_endpoint_key *key,
			   uint32_t provider, uint32_t source, uint64_t now_ns) _must_check_;
int dataplane_endpoint_delete(struct dataplane *dp,
			      const struct eg_endpoint_key *key) _must_check_; /* or -ENOENT */
/* Removes entries of `source` last confirmed before `before_ns`; returns how many, or -errno.
 * (After a reload: confirm all catalogue entries with now_ns, then expire older ones.) */
int dataplane_endpoint_expire(struct dataplane *dp, uint32_t source,
			      uint64_t before_ns) _must_check_;

/* Events: wait for dataplane_events_fd() to be readable, then drain. The event is borrowed. */
typedef void (*dataplane_event_fn)(void *ctx, const struct eg_event *event);
int dataplane_events_fd(const struct dataplane *dp);
/* At most `max` events; returns how many there were, or -errno. */
int dataplane_events_drain(struct dataplane *dp, unsigned max, dataplane_event_fn fn,
			   void *ctx) _must_check_;

/*
 * Destroys connections that are older than enforcement: connected TCP, UDP and UDP-Lite sockets of
 * the attached cgroup and below, towards governed addresses, not stamped, in the network namespace
 * of netns_fd (-1: the caller's). Their owners get ECONNABORTED instead of a silence. Call it once
 * the hooks hold, and again when a namespace appears or an address becomes governed. Returns how
 * many, or -errno (-EPROTONOSUPPORT, -EOPNOTSUPP: the kernel cannot; the gate holds without it).
 * by_modes: also those that the mode of their cgroup would not let be made any more.
 */
int dataplane_sweep(struct dataplane *dp, int netns_fd, bool by_modes) _must_check_;
/* Destroys the connection that an event names (lport not 0), in the network namespace of netns_fd
 * (-1: the caller's): its owner gets ECONNABORTED. -ENOENT: it has gone meanwhile. */
int dataplane_sever(struct dataplane *dp, int netns_fd, const struct eg_event *e) _must_check_;

/*
 * Names whose addresses the kernel learns from DNS answers (host names or patterns, lower case), in
 * place of all those before. -EINVAL with `d`: one of them is not usable, nothing changed.
 */
struct dataplane_name {
	struct slice pattern;
	uint32_t provider; /* index + 1 */
};
int dataplane_names_set(struct dataplane *dp, const struct dataplane_name *names, size_t n,
			struct diag *d) _must_check_;
/* Believes answers from this address (port 53); from one of loopback, in this process's network
 * namespace only: in one of his own anybody has that address. -E2BIG: there are 1,024 already. */
int dataplane_resolver_set(struct dataplane *dp, const struct eg_addr *addr) _must_check_;
/* Those and no others from now on. */
int dataplane_resolvers_set(struct dataplane *dp, const struct eg_addr *addrs,
			    size_t n) _must_check_;

/* Believes these too (at most EG_OWN_DNS_MAX; none: no longer any), in one network namespace and
 * only for what to redirect: they are what its own processes say. */
int dataplane_own_dns_set(struct dataplane *dp, uint64_t netns, const struct eg_addr *addrs,
			  size_t n) _must_check_;

/*
 * Modes. The switch is on while any cgroup has one: off, the hooks look for none. A mode holds for
 * the cgroup (its directory, open) and all below it that have none of their own; NULL takes it
 * away.
 */
int dataplane_modes_switch(struct dataplane *dp, bool on) _must_check_;
int dataplane_mode_set(struct dataplane *dp, int cgroup_fd,
		       const struct eg_mode *mode) _must_check_;

/* An entry of an allow-list, of all those with the same `list` (not 0). */
struct dataplane_allow {
	uint32_t list;
	struct slice name; /* "pypi.org" or "*.pypi.org", lower case; empty: an address */
	struct eg_endpoint_key addr;
	uint16_t port; /* 0: every port of every protocol */
	uint8_t proto; /* with a port: IPPROTO_TCP or IPPROTO_UDP */
};
/* In place of all lists before; those of one list side by side. What stays the same is never gone
 * meanwhile, and addresses learned by it stay good. -EINVAL, -E2BIG, -ENOSPC: with `d`. */
int dataplane_lists_set(struct dataplane *dp, const struct dataplane_allow *v, size_t n,
			struct diag *d) _must_check_;

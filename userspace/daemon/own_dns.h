/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolvers that processes of a network namespace use: of the resolv.conf of each mount
 * namespace that somebody in it has, as containers have one of their own. Who is in there may have
 * written it, so these only add to what is redirected (struct eg_own_dns). Of namespaces.c, which
 * shows it processes and tells the kernel.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "egret/abi.h"
#include "identity/exe.h"

#define OWN_DNS_VIEWS	8u /* mount namespaces that are looked at in one network namespace */
#define OWN_DNS_SERVERS 3u /* of one file, as the C library takes them */

struct own_dns {
	struct {
		uint64_t mnt; /* inode of the mount namespace; 0: free */
		bool is_seen; /* since own_dns_begin() */
		struct exe_key key; /* of what was read */
		struct eg_addr addr[OWN_DNS_SERVERS];
		unsigned n;
	} view[OWN_DNS_VIEWS];
};

/* A census begins: what nobody has any more is to be forgotten at its end. */
void own_dns_begin(struct own_dns *o);
/* Whether looking at that process could tell anything new in this census. */
bool own_dns_wants(const struct own_dns *o, pid_t pid);
/* Reads what the process of `dir`, an open /proc/PID, has; true: there are others than before. What
 * cannot be read just now (its way has left the caches, the process has gone) stays as it was. */
bool own_dns_look(struct own_dns *o, int dir);
bool own_dns_end(struct own_dns *o); /* true: as above */
/* All of them, each once; returns how many. */
unsigned own_dns_servers(const struct own_dns *o, struct eg_addr ret[EG_OWN_DNS_MAX]);

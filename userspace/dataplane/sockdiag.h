/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's sockets, listed and destroyed over NETLINK_SOCK_DIAG (sock_diag(7)) with libmnl, in
 * the network namespace in which sockdiag_open() is called. Private to dataplane/.
 */
#pragma once

#include <linux/inet_diag.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "egret/abi.h"

struct sockdiag;

struct sockdiag_sock {
	uint8_t family, protocol;
	struct inet_diag_sockid id; /* ports in network order, cookie included */
	struct eg_addr peer; /* IPv4 as ::ffff:a.b.c.d */
	uint64_t cgroup; /* of its creator; 0: the kernel does not say */
	bool marked; /* it has storage in the first map of sockdiag_open() */
	bool opened; /* and in the second: */
	struct eg_open open;
};

/* SK_STORAGE maps, of marks and of struct eg_open. -EPROTONOSUPPORT: no sock_diag in this kernel.
 */
int sockdiag_open(int mark_map_fd, int open_map_fd, struct sockdiag **ret) _must_check_;
struct sockdiag *sockdiag_close(struct sockdiag *s); /* returns NULL */
/* Every connected socket of a family and protocol, or every listener; fn must not use `s`. A
 * negative return ends the listing and is returned. */
typedef int (*sockdiag_fn)(void *ctx, const struct sockdiag_sock *sock);
enum sockdiag_which { SOCKDIAG_CONNECTED, SOCKDIAG_LISTENING };
int sockdiag_list(struct sockdiag *s, uint8_t family, uint8_t protocol, enum sockdiag_which which,
		  sockdiag_fn fn, void *ctx) _must_check_;
/* Its owner gets ECONNABORTED. -ENOENT: it has gone meanwhile. */
int sockdiag_destroy(struct sockdiag *s, const struct sockdiag_sock *sock) _must_check_;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One network namespace of workloads: held by its fd, its listeners handed to a few workers. A
 * group of four serves a namespace: enough for one, and few descriptors for many. Of
 * namespaces.c, which finds and judges them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "daemon/own_dns.h"

struct channel;
struct dataplane;

#define NAMESPACE_GROUP 4u

struct namespace
{
	uint64_t cookie, ino, share;
	int fd;
	/* Who made it known; a thread may be in a namespace that no process's leader is in. */
	struct {
		pid_t tgid, tid;
		uint64_t start_ns;
	} witness;
	unsigned n, first; /* listeners a family, and the worker of the first */
	struct {
		bool is_open;
		int error; /* why not */
		int fd[NAMESPACE_GROUP];
	} family[2]; /* IPv4, IPv6 */
	uint64_t try_us; /* not opened again before */
	struct own_dns own_dns;
	/* Of the census: */
	bool is_seen;
	uint64_t empty_us; /* since when nobody was found in it; 0: somebody is */
	uint64_t number; /* as they came, from 1 */
	LIST_ENTRY(namespace) by_cookie, by_ino;
	TAILQ_ENTRY(namespace) all;
};

/* Takes netns_fd. NULL: out of memory. */
struct namespace *namespace_new(uint64_t cookie, int netns_fd) _must_check_;
struct namespace *namespace_free(struct namespace *ns); /* returns NULL */
/* Opens what is missing; returns which of family[] came, as a bit set. */
unsigned namespace_open(struct namespace *ns, struct dataplane *dp) _must_check_;
/* Its loopback device is up: without, there may be an IPv4 listener, but no way to it. */
bool namespace_is_up(const struct namespace *ns);
/* Hands worker `index` of `n_workers` its own of the families in the bit set. */
int namespace_send(const struct namespace *ns, unsigned families, struct channel *ch,
		   unsigned index, unsigned n_workers) _must_check_;
/* What a person can do about an error of a family; 0: about a refusal before it was open. */
const char *namespace_advice(int error);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices of this host carry the backstop (dataplane/veth.h): one end of each pair whose
 * other end lies in a network namespace of enforced processes. Told of namespaces by namespaces.c,
 * of devices by the kernel.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event/loop.h"

struct backstop;
struct dataplane;
struct warnings;

struct backstop_opts {
	struct loop *loop;
	struct dataplane *dp;
	struct warnings *warnings;
	/* Every process is enforced: so is every namespace but this one, known or not. */
	bool is_whole;
	/* A device came whose other end is in a namespace nobody spoke of yet. */
	void (*on_stranger)(void *ctx);
	void *ctx;
};

int backstop_new(const struct backstop_opts *o, struct backstop **ret) _must_check_;
struct backstop *backstop_free(struct backstop *b); /* the devices keep it; returns NULL */
/* Processes of enforced cgroups are in that namespace / no longer. */
void backstop_add(struct backstop *b, uint64_t netns, int netns_fd);
void backstop_drop(struct backstop *b, uint64_t netns);
/* All namespaces there are have been told: what an earlier daemon left for others goes. */
void backstop_settle(struct backstop *b);

/* Whether a device of that namespace carries it: what goes from there to governed addresses is
 * dropped, egret's own as well. */
bool backstop_guards(const struct backstop *b, uint64_t netns);

struct backstop_counts {
	bool is_able; /* the kernel has tcx */
	unsigned devices;
	uint64_t dropped; /* packets, on devices that are there */
};
void backstop_counts(struct backstop *b, struct backstop_counts *ret);
/* Of one namespace alone. */
void backstop_counts_of(struct backstop *b, uint64_t netns, struct backstop_counts *ret);

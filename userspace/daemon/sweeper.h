/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends connections that are older than enforcement, than the knowledge that their address is
 * governed, or than the mode of their cgroup: shortly after the start, after every new address and
 * every policy. The gate holds them anyway; their
 * owners are told instead of waiting for a timeout.
 */
#pragma once

#include "base/cleanup.h"
#include "event/loop.h"

struct dataplane;
struct namespaces;
struct sweeper;

int sweeper_new(struct loop *l, struct dataplane *dp, struct sweeper **ret) _must_check_;
struct sweeper *sweeper_free(struct sweeper *s); /* returns NULL */
/* Those of these namespaces from now on too, one after the other. */
void sweeper_set_namespaces(struct sweeper *s, const struct namespaces *n);
/* Soon, once for all calls until then. */
void sweeper_soon(struct sweeper *s);
/* The same, and those that the modes now in force would not let be made. */
void sweeper_modes(struct sweeper *s);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many names a cgroup may make the worker and the vault sign for. A governed pattern stands for
 * any number of names, each of which costs a key and a signature and pushes another's certificate
 * out of the cache: new ones are counted. Names that the catalogue spells out are not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct caller;
struct worker;

#define NAMES_MAX	8u /* new ones of a cgroup in... */
#define NAMES_BELOW_MAX 32u /* of all cgroups below one (share.h) */
#define NAMES_US	10000000u /* ...this time */
#define NAMES_SLOTS	512u

struct names {
	/* By hash of the cgroup's id. Two that meet in one push each other out, and get more. */
	struct {
		uint64_t cgroup, until_us;
		unsigned n;
	} slot[NAMES_SLOTS];
};

/* Counts a name for which there is no certificate yet; false: too many of them. */
bool names_take(struct worker *w, const struct caller *c) _must_check_;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cgroup's path says about who lives there: systemd unit, container, pod. Pure code on a
 * path that is hostile: whoever was given a subtree can make any name in it. So a unit is the
 * outermost one and no other, and a container below something that may have been given away is
 * marked as nested: it proves nothing by itself.
 */
#pragma once

#include "base/slice.h"

#define PLACE_CONTAINER_ID 64 /* hex digits */

enum place_runtime {
	PLACE_RUNTIME_NONE,
	PLACE_RUNTIME_DOCKER,
	PLACE_RUNTIME_CONTAINERD,
	PLACE_RUNTIME_CRIO,
	PLACE_RUNTIME_PODMAN,
};

struct place {
	struct slice unit; /* "NAME.service", or empty; borrowed from the path */
	/* A unit of a user's own manager: `unit` is that manager ("user@1000.service"). Whoever
	 * owns the manager chooses the name. */
	struct slice user_unit;
	struct slice container; /* 64 hex digits, or empty */
	enum place_runtime runtime;
	char pod_uid[40]; /* as Kubernetes writes it, with dashes; "" outside a pod */
	bool nested; /* container and pod stand below a unit, or below a directory of no engine */
};

/* `path` begins with a slash and is relative to where the hooks are attached. */
void place_of(struct slice path, struct place *ret);
const char *place_runtime_name(enum place_runtime runtime); /* "docker", ... or "" */
enum place_runtime place_runtime_of(struct slice name); /* PLACE_RUNTIME_NONE: no such one */

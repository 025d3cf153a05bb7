/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is pinned, as fds: links by name, their programs, and the maps those programs use (maps are
 * never pinned; they are reached link -> program -> map ids). Private to dataplane/.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "egret/names.h"

enum pins_prog {
#define X(name, type) PINS_##name,
	EG_PROGS(X)
#undef X
		PINS_PROG_COUNT
};

enum pins_map {
#define X(name, layout, text) PINS_##name,
	EG_MAPS(X)
#undef X
		PINS_MAP_COUNT
};

/* -EBADF: there is none. */
struct inspect {
	int link[PINS_PROG_COUNT];
	int prog[PINS_PROG_COUNT];
	int map[PINS_MAP_COUNT];
};

void pins_init(struct inspect *in);
void pins_close(struct inspect *in);
/* Fills what is pinned in `dir`. Fine when nothing is. A map of another layout (layouts.h) counts
 * as none. -EPROTO: pins of another ABI version. */
int pins_read(const char *dir, struct diag *d, struct inspect *in) _must_check_;
unsigned pins_links(const struct inspect *in);
/* Id of the cgroup a link holds; 0: that cgroup is gone and the link holds nothing. */
int pins_link_cgroup(int link_fd, uint64_t *ret) _must_check_;

/* DIR/v1 and DIR/v1/NAME. -ENAMETOOLONG. */
int pins_path(const char *dir, const char *name, char *ret, size_t size) _must_check_;
/* The single-instance lock; held while the fd is open. */
int pins_lock(const char *dir, struct diag *d, int *ret_fd) _must_check_;

const char *pins_prog_name(unsigned prog);
const char *pins_prog_type(unsigned prog);
const char *pins_map_name(unsigned map);
const char *pins_map_text(unsigned map);
unsigned pins_map_layout(unsigned map); /* that this build reads */

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which layout each map of the attached programs has, by the numbers of EG_MAPS: a version of egret
 * reads no map that another wrote in another layout, but makes a new one beside it. Kept as a
 * symbolic link's text beside the pins ("eg_stamp=1 eg_cflow=1 ..."), which the bpffs keeps as long
 * as those. None: all have layout 1. While programs are moved from maps to maps its text is
 * "changing", and nothing is known of any.
 */
#pragma once

#include <stdbool.h>

#include "dataplane/pins.h"

/* known[i]: map i has the layout that this build reads. `dir` as in pins.h. */
int layouts_read(const char *dir, bool known[PINS_MAP_COUNT]) _must_check_;
/* Before programs are moved, and after. */
int layouts_begin(const char *dir) _must_check_;
int layouts_done(const char *dir) _must_check_;
int layouts_remove(const char *dir) _must_check_; /* fine when there is none */

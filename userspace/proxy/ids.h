/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request ids: 128 bits, unique over workers and restarts. Half is random and belongs to the
 * process, half is a counter sent through a bijection, so that the first digits tell requests
 * apart.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

struct ids {
	uint64_t key, process, next;
};

int ids_init(struct ids *ids) _must_check_; /* -errno: no randomness */
void ids_next(struct ids *ids, uint8_t ret[16]);

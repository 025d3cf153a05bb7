/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a child process: `egretd --role ROLE --as UID:GID --root DIR`, started by the monitor
 * with the channel as descriptor 3. It waits for its `start`, makes its object, locks itself up and
 * serves. The only place where the three roles meet.
 */
#pragma once

#include "base/cleanup.h"

#include <stdint.h>

#define ROLE_CHANNEL_FD 3

/* "worker", "vault", "recorder"; NULL for another bit. */
const char *role_name(uint32_t role);
/* The bit, or 0. */
uint32_t role_find(const char *name);
/* Returns the exit status. as: "UID:GID"; root: the directory that becomes "/", or NULL (the
 * recorder gets its own as a descriptor). */
int role_main(uint32_t role, const char *as, const char *root) _must_check_;

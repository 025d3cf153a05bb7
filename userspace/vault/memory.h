/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the vault's memory off disks: no core images, no swap. Called once, by vault_new(). */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"

/* Marks the process undumpable and, where the limit on locked memory is generous, locks all of it;
 * *ret_all says so. Where it is not, only what holds secrets is locked (keyfile_init(),
 * secret_new()), because a small limit would make every later allocation fail. -errno. */
int memory_protect(bool *ret_all) _must_check_;

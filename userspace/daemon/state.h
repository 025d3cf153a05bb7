/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon finds or makes on this host before anything starts: directories, its own secret,
 * its place among the cgroups. */
#pragma once

#include <stdint.h>

#include "base/diag.h"
#include "daemon/config.h"

int state_directories(const struct config *c, struct diag *d) _must_check_;
/* The key of the fingerprints of direct keys; made at the first start. */
int state_fingerprint_key(const char *state_dir, struct diag *d, uint8_t ret[32]) _must_check_;
/* At the end: what would mislead who looks for a daemon; the mount of pins that are gone. */
void state_remove_socket(const struct config *c);
void state_unmount_pins(const struct config *c);
/* A daemon outside the cgroup it enforces would never get its flow records: moves this process into
 * a cgroup of its own below `cgroup` unless it runs there. "": the root; nothing to do. */
int state_enter_cgroup(const char *cgroup, struct diag *d) _must_check_;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one monitor leaves to the next when it executes another binary in its own pid: numbers of
 * descriptors that stay open across the execve(), and what each is. JSON in a sealed memfd; no
 * secret is in it, nor behind any of its descriptors but channels. The reader believes nothing: a
 * document of another format, an unknown or missing member, a number out of its range, a descriptor
 * that is not open or named twice is an error.
 *
 *   {"format": 1, "generation": N, "edition": N, "lock": FD, "control": FD, "socket_unit": 0|1,
 *    "client": FD,
 *    "listeners": [{"family", "netns", "fds": [FD...]}],
 *    "namespaces": [{"cookie", "fd", "share", "first", "pid", "tid", "start_ns",
 *                    "v4": [FD...], "v6": [FD...]}],
 *    "slabs": [{"number", "fd", "wake"}],
 *    "children": [{"role", "index", "slab", "generation", "pid", "channel", "started_us"}]}
 */
#pragma once

#include <stdint.h>

#include "base/diag.h"
#include "base/json.h"
#include "base/slice.h"

#define HANDOVER_FORMAT 1
#define HANDOVER_MAX	(4u << 20)
/* Size of what handover_says() writes. */
#define HANDOVER_WORDS	64

/* What `egretd --try` says of itself: another binary that says the same understands this document
 * and the processes behind it (messages, slabs). */
void handover_says(char to[HANDOVER_WORDS]);

/* Seals the document into a memfd and lets every descriptor that it names outlive execve().
 * -errno: nothing has changed. */
int handover_write(const json_t *doc, int *ret_fd) _must_check_;
/* Reads it, checks its shape, makes its descriptors close-on-exec again; closes fd. */
int handover_read(int fd, struct diag *d, json_t **ret) _must_check_;
/* The document alone, its descriptors as numbers. -EPROTO. */
int handover_parse(struct slice text, json_t **ret) _must_check_;
/* Descriptors are close-on-exec again: the execve() failed. */
void handover_undo(const json_t *doc);

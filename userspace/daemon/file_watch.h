/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says when a file may have changed, whoever stands behind its name: written in place, replaced by
 * another, or a symbolic link on the way to it set anew. By inotify on the directories of all links
 * and on the file itself (which may be mounted from elsewhere); what is missing is waited for in
 * the nearest directory that is there. Called by resolv.c.
 */
#pragma once

#include "base/cleanup.h"
#include "event/loop.h"

struct file_watch;

/* fn: something happened, a moment ago, so that the steps of one change are told once; whether the
 * content is another is for the caller to see. Reading after file_watch_new(), or in fn, misses
 * nothing. */
int file_watch_new(struct loop *l, const char *path, void (*fn)(void *ctx), void *ctx,
		   struct file_watch **ret) _must_check_;
struct file_watch *file_watch_free(struct file_watch *w);

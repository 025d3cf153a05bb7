/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's trust store: where this distribution takes local certificates from, how its bundle
 * is made again, and egret's certificates in it. Files of ours are DIR/egret-ca-N.crt and no
 * others: what `ca install` writes, `ca uninstall` can find without having kept a note.
 */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"

#define STORE_FILES_MAX 8 /* certificates at once: the current one and those in overlap */

struct store {
	const char *name;
	const char *dir; /* local certificates, a file each */
	const char *bundle; /* what programs read */
	const char *update; /* the program that makes it */
	const char *argument; /* of it, or NULL */
	/* Where the program keeps a link for each certificate and knows one that goes only by a
	 * line of its list; NULL: it begins anew each time. */
	const char *links, *list;
	/* Java's, kept by a hook of the program, where there is one: ours stand in it by the names
	 * of their links. */
	const char *java;
};

/* By what exists here; NULL: of no kind that is known. */
const struct store *store_find(void);
/* Puts every certificate of a PEM text in and makes the bundle; files that it does not name any
 * more go. Adds the paths to `files`. -EINVAL with d filled. */
int store_install(const struct store *s, struct slice pem, json_t *files,
		  struct diag *d) _must_check_;
/* Takes all of ours out; adds the paths of those that were there. */
int store_uninstall(const struct store *s, json_t *files, struct diag *d) _must_check_;

/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups of the host by name, with words for what is missing. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/diag.h"

/* key: the configuration key that named it, for messages. Root is refused. */
int users_find(const char *key, const char *name, struct diag *d, uid_t *ret_uid,
	       gid_t *ret_gid) _must_check_;
bool users_group(const char *name, gid_t *ret_gid);
/* Whether a process with these credentials is that user, or in that group. */
bool users_is(const char *name, bool is_group, uid_t uid, gid_t gid, const gid_t *groups,
	      size_t n_groups);

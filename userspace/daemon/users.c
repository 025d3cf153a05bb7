/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/users.h"

#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <string.h>

int users_find(const char *key, const char *name, struct diag *d, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *p = getpwnam(name);

	if (!p) {
		(void)diag_at(
			d, 0, 0,
			"%s: there is no user %s: make it with tools/users.sh, or name another",
			key, name);
		return -ENOENT;
	}
	if (p->pw_uid == 0 || p->pw_gid == 0) {
		(void)diag_at(d, 0, 0, "%s: %s is root, which defeats its purpose: name another",
			      key, name);
		return -EINVAL;
	}
	*ret_uid = p->pw_uid;
	*ret_gid = p->pw_gid;
	return 0;
}

bool users_group(const char *name, gid_t *ret_gid)
{
	const struct group *g = getgrnam(name);

	if (g)
		*ret_gid = g->gr_gid;
	return g;
}

bool users_is(const char *name, bool is_group, uid_t uid, gid_t gid, const gid_t *groups,
	      size_t n_groups)
{
	const struct passwd *p;
	gid_t wanted;

	if (!is_group) {
		p = getpwnam(name);
		return p && p->pw_uid == uid;
	}
	if (!users_group(name, &wanted))
		return false;
	for (size_t i = 0; i < n_groups; i++)
		if (groups[i] == wanted)
			return true;
	return gid == wanted;
}

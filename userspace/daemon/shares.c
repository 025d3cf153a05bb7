/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/shares.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "identity/place.h"

/* A look costs the monitor some 100 us. */
#define ANY_EVERY_US 1000u
#define ONE_EVERY_US 50000u
#define BURST	     32u /* at once */

int shares_open(struct shares *s, const char *dir)
{
	return cgroupfs_open(&s->fs, dir);
}

void shares_close(struct shares *s)
{
	cgroupfs_close(&s->fs);
}

bool shares_is_enforced(const struct shares *s, struct slice path)
{
	/* Outside of this process's cgroup namespace, which has the enforced cgroup as its root. */
	if (slice_has_prefix(path, SLICE("/../")) || slice_eq(path, SLICE("/..")))
		return false;
	return cgroupfs_below(&s->fs, path).n > 0;
}

bool shares_is_whole(const struct shares *s)
{
	return strcmp(s->fs.attached, "/") == 0;
}

/* The end of the component in which `at` lies. */
static size_t component_end(struct slice path, size_t at)
{
	const char *slash = memchr(path.p + at, '/', path.n - at);

	return slash ? (size_t)(slash - path.p) : path.n;
}

/* Below its container everything is the container's own. */
static struct slice up_to_container(const struct shares *s, struct slice path)
{
	struct place place;

	place_of(cgroupfs_below(&s->fs, path), &place);
	if (place.container.n)
		path.n = component_end(path, (size_t)(place.container.p - path.p));
	return path;
}

int shares_of(const struct shares *s, struct slice path, uint64_t *ret)
{
	size_t n = shares_is_whole(s) ? 0 : strlen(s->fs.attached);
	char at[CGROUPFS_PATH_MAX];
	uint64_t found = 0;
	struct stat st;

	if (!shares_is_enforced(s, path) || path.n >= sizeof(at))
		return -ENOENT;
	path = up_to_container(s, path);
	for (;;) {
		(void)slice_copy(slice_of(path.p, n), at, sizeof(at));
		if (fstatat(s->fs.mount_fd, n > 1 ? at + 1 : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
			break; /* removed meanwhile: what is above it counts */
		found = st.st_ino;
		if (st.st_uid != 0 || n >= path.n)
			break;
		n = component_end(path, n + 1);
	}
	if (!found)
		return -ENOENT;
	*ret = found;
	return 0;
}

/* A bucket that holds BURST and gains one each every_us, kept as the time when it is full again. */
static bool take(uint64_t *at_us, uint64_t every_us, uint64_t now_us)
{
	if (*at_us < now_us)
		*at_us = now_us;
	if (*at_us - now_us > BURST * every_us)
		return false;
	*at_us += every_us;
	return true;
}

bool shares_take_any(struct shares *s, uint64_t now_us)
{
	return take(&s->all_us, ANY_EVERY_US, now_us);
}

bool shares_take(struct shares *s, uint64_t cgroup, uint64_t now_us)
{
	size_t i = (cgroup * UINT64_C(0x9e3779b97f4a7c15)) >> 54;

	_Static_assert(SHARES_SLOTS == 1u << 10, "the hash has ten bits");
	if (s->slot[i].cgroup != cgroup) {
		s->slot[i].cgroup = cgroup;
		s->slot[i].at_us = 0;
	}
	return take(&s->slot[i].at_us, ONE_EVERY_US, now_us);
}

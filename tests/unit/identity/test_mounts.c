/* SPDX-License-Identifier: Apache-2.0 */
/* Reading mount tables, among them ones that somebody writes to be misread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "identity/mounts.h"

static const char table[] = "22 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/root rw\n"
			    "23 22 0:21 / /proc rw - proc proc rw\n"
			    "24 22 0:40 / /srv/u/mnt rw,nosuid - fuse.sshfs u@h:/ rw,user_id=1000\n"
			    "25 22 0:41 / /srv/u/mnt\\040two rw - fuse x rw\n"
			    "broken\n"
			    "26 22 x:1 / /bad rw - ext4 x rw\n"
			    "27 22 259:1048575 / /big rw - btrfs /dev/nvme rw\n"
			    "28 22 0:50 / /srv rw - ext4 /dev/h rw\n"
			    "29 22 0:60 / /no-type rw\n"
			    "30 28 0:61 / /srv/u/mnt/over rw - tmpfs t rw";

static void by_id_and_by_device(void **state)
{
	struct slice t = slice_str(table);
	struct mount m;

	(void)state;
	assert_true(mounts_find_id(t, 22, &m));
	assert_int_equal(m.dev, 254u << 20);
	assert_true(slice_eq(m.type, SLICE("ext4")));
	assert_true(mounts_find_id(t, 27, &m));
	assert_int_equal(m.dev, 259u << 20 | 1048575);
	assert_true(mounts_find_id(t, 30, &m)); /* without a newline at its end */
	assert_false(mounts_find_id(t, 2, &m));
	assert_false(mounts_find_id(t, 26, &m));
	assert_false(mounts_find_id(t, 29, &m));
	assert_true(mounts_find_dev(t, 40, &m));
	assert_true(slice_eq(m.where, SLICE("/srv/u/mnt")));
	assert_false(mounts_find_dev(t, 41 << 20, &m));
}

static void by_the_longest_mount_point(void **state)
{
	struct slice t = slice_str(table);
	struct mount m;

	(void)state;
	assert_true(mounts_find_path(t, SLICE("/usr/bin/node"), &m));
	assert_true(slice_eq(m.type, SLICE("ext4")));
	assert_true(mounts_find_path(t, SLICE("/srv/u/mnt/x"), &m));
	assert_true(slice_eq(m.type, SLICE("fuse.sshfs")));
	assert_true(mounts_find_path(t, SLICE("/srv/u/mnt"), &m));
	assert_true(slice_eq(m.type, SLICE("fuse.sshfs")));
	assert_true(mounts_find_path(t, SLICE("/srv/u/mntx"), &m));
	assert_true(slice_eq(m.where, SLICE("/srv")));
	assert_true(mounts_find_path(t, SLICE("/srv/u/mnt/over/x"), &m));
	assert_true(slice_eq(m.type, SLICE("tmpfs")));
	assert_true(mounts_find_path(t, SLICE("/srv/u/mnt two/x"), &m));
	assert_true(slice_eq(m.type, SLICE("fuse")));
	assert_false(mounts_find_path(SLICE(""), SLICE("/x"), &m));
}

static void user_served_file_systems_may_hang(void **state)
{
	static const char *const types[] = { "fuse", "fuse.sshfs", "fuseblk", "virtiofs" };
	static const char *const others[] = { "ext4", "overlay", "fusectl", "tmpfs", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		assert_true(mounts_may_hang(&(struct mount){ .type = slice_str(types[i]) }));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(mounts_may_hang(&(struct mount){ .type = slice_str(others[i]) }));
}

static void what_nobody_serves_is_plain(void **state)
{
	static const char *const types[] = { "ext4", "xfs", "btrfs", "tmpfs" };
	static const char *const others[] = {
		"fuse", "ext4.x", "ext", "overlay", "nfs4", "9p", ""
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		assert_true(mounts_is_plain(&(struct mount){ .type = slice_str(types[i]) }));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(mounts_is_plain(&(struct mount){ .type = slice_str(others[i]) }));
}

static void cut_tables_are_read_within_their_bounds(void **state)
{
	(void)state;
	for (size_t n = 0; n <= strlen(table); n++) {
		char *copy = malloc(n + !n);
		struct mount m;

		memcpy(copy, table, n);
		(void)mounts_find_id(slice_of(copy, n), 77, &m);
		(void)mounts_find_path(slice_of(copy, n), SLICE("/srv/u/mnt/over"), &m);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_id_and_by_device),
		cmocka_unit_test(by_the_longest_mount_point),
		cmocka_unit_test(user_served_file_systems_may_hang),
		cmocka_unit_test(what_nobody_serves_is_plain),
		cmocka_unit_test(cut_tables_are_read_within_their_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Finding cgroup2 where it really is mounted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/cgroup.h"

static int find(const char *text, char *ret, size_t size)
{
	char path[] = "/tmp/egret-mounts-XXXXXX";
	int fd = mkstemp(path), r;
	FILE *f;

	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	r = cgroup_mount_in(path, ret, size);
	assert_int_equal(unlink(path), 0);
	return r;
}

static void hybrid_hosts_mount_it_elsewhere(void **state)
{
	char dir[64];

	(void)state;
	assert_int_equal(find("tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
			      "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
			      "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
			      dir, sizeof(dir)),
			 0);
	assert_string_equal(dir, "/sys/fs/cgroup/unified");
}

static void spaces_in_the_path_are_decoded(void **state)
{
	char dir[64];

	(void)state;
	assert_int_equal(find("cgroup2 /a\\040b cgroup2 rw 0 0\n", dir, sizeof(dir)), 0);
	assert_string_equal(dir, "/a b");
}

static void version_one_alone_is_not_enough(void **state)
{
	char dir[64];

	(void)state;
	assert_int_equal(find("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", dir, sizeof(dir)),
			 -ENOENT);
	assert_int_equal(find("", dir, sizeof(dir)), -ENOENT);
}

static void a_path_too_long_is_refused(void **state)
{
	char dir[8];

	(void)state;
	assert_int_equal(find("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", dir, sizeof(dir)),
			 -ENAMETOOLONG);
}

static void other_directories_have_no_cgroup_id(void **state)
{
	uint64_t id;

	(void)state;
	assert_int_equal(cgroup_id("/tmp", &id), -EINVAL);
	assert_int_equal(cgroup_id("/nonexistent", &id), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hybrid_hosts_mount_it_elsewhere),
		cmocka_unit_test(spaces_in_the_path_are_decoded),
		cmocka_unit_test(version_one_alone_is_not_enough),
		cmocka_unit_test(a_path_too_long_is_refused),
		cmocka_unit_test(other_directories_have_no_cgroup_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

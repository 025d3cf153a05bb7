/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of cgroup ids, in a subtree of the real cgroup2 mount. Needs root. */
#include "child.h"

#include "identity/cgroupfs.h"

static char top[256];
static struct cgroupfs fs;

static int make(void **state)
{
	(void)state;
	cgroup_make(top, sizeof(top));
	return cgroupfs_open(&fs, top);
}

static int clean(void **state)
{
	(void)state;
	cgroupfs_close(&fs);
	cgroup_remove(top);
	return 0;
}

static uint64_t id_of(const char *dir)
{
	struct stat st;

	assert_int_equal(stat(dir, &st), 0);
	return st.st_ino;
}

static void ids_lead_to_paths_and_back(void **state)
{
	static const char *const names[] = { "plain",	 "with space",	  "*",
					     "a?b",	 "x (deleted)",	  "\x1b[31m",
					     "\xff\xfe", "_cgroup.procs", "back\\slash",
					     "tab\there" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char dir[512], got[CGROUPFS_PATH_MAX], wanted[2 * CGROUPFS_PATH_MAX];
		uint64_t id = 0;

		cgroup_below(top, names[i], dir, sizeof(dir));
		assert_int_equal(cgroupfs_path(&fs, id_of(dir), got, sizeof(got)), 0);
		(void)snprintf(wanted, sizeof(wanted), "%s/%s", fs.attached, names[i]);
		assert_string_equal(got, wanted);
		assert_int_equal(cgroupfs_id(&fs, slice_str(got), &id), 0);
		assert_int_equal(id, id_of(dir));
	}
}

static void no_name_holds_a_newline(void **state)
{
	char dir[512];

	(void)state;
	/* process_cgroup() relies on it. */
	(void)snprintf(dir, sizeof(dir), "%s/a\nb", top);
	assert_int_equal(mkdir(dir, 0755), -1);
	assert_int_equal(errno, EINVAL);
}

static void one_that_is_gone_is_not_found(void **state)
{
	char dir[512], got[CGROUPFS_PATH_MAX];
	uint64_t id;

	(void)state;
	cgroup_below(top, "gone", dir, sizeof(dir));
	id = id_of(dir);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(cgroupfs_path(&fs, id, got, sizeof(got)), -ENOENT);
	/* Nor another one of that name, nor one of the name that a removed one is shown by. */
	cgroup_below(top, "gone", dir, sizeof(dir));
	cgroup_below(top, "gone (deleted)", dir, sizeof(dir));
	assert_int_equal(cgroupfs_path(&fs, id, got, sizeof(got)), -ENOENT);
	assert_int_equal(cgroupfs_path(&fs, 0, got, sizeof(got)), -ENOENT);
	assert_int_equal(cgroupfs_path(&fs, UINT64_MAX, got, sizeof(got)), -ENOENT);
}

static void a_path_longer_than_the_room_is_no_path(void **state)
{
	char got[8];

	(void)state;
	assert_int_equal(cgroupfs_path(&fs, id_of(top), got, sizeof(got)), -ENAMETOOLONG);
}

static void below_is_what_is_left(void **state)
{
	struct cgroupfs f = { .attached = "/a/b" };

	(void)state;
	assert_true(slice_eq(cgroupfs_below(&f, SLICE("/a/b/c")), SLICE("/c")));
	assert_true(slice_eq(cgroupfs_below(&f, SLICE("/a/b")), SLICE("/")));
	assert_int_equal(cgroupfs_below(&f, SLICE("/a/bc")).n, 0);
	assert_int_equal(cgroupfs_below(&f, SLICE("/a")).n, 0);
	assert_int_equal(cgroupfs_below(&f, SLICE("/")).n, 0);
	(void)slice_copy(SLICE("/"), f.attached, sizeof(f.attached));
	assert_true(slice_eq(cgroupfs_below(&f, SLICE("/x")), SLICE("/x")));
}

static void other_directories_are_refused(void **state)
{
	struct cgroupfs f;

	(void)state;
	assert_int_equal(cgroupfs_open(&f, "/tmp"), -EINVAL);
	assert_int_equal(cgroupfs_open(&f, "/nonexistent"), -ENOENT);
	cgroupfs_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_lead_to_paths_and_back),
		cmocka_unit_test(no_name_holds_a_newline),
		cmocka_unit_test(one_that_is_gone_is_not_found),
		cmocka_unit_test(a_path_longer_than_the_room_is_no_path),
		cmocka_unit_test(below_is_what_is_left),
		cmocka_unit_test(other_directories_are_refused),
	};

	return cmocka_run_group_tests(tests, make, clean);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a cgroup's namespaces count for, and how often it may ask. As root, on cgroup2. */
#include "../identity/child.h"

#include "daemon/shares.h"

static char top[256];
static struct shares shares;

static int make(void **state)
{
	(void)state;
	cgroup_make(top, sizeof(top));
	memset(&shares, 0, sizeof(shares));
	return shares_open(&shares, top);
}

static int clean(void **state)
{
	(void)state;
	shares_close(&shares);
	cgroup_remove(top);
	return 0;
}

static const char *below(const char *name)
{
	static char path[CGROUPFS_PATH_MAX + 256];

	(void)snprintf(path, sizeof(path), "%s%s", shares.fs.attached, name);
	return path;
}

static void make_below(const char *name, uid_t owner)
{
	char dir[512];

	cgroup_below(top, name, dir, sizeof(dir));
	assert_int_equal(chown(dir, owner, (gid_t)-1), 0);
}

/* Names begin with a slash, below top. */
static void assert_counts_for(const char *name, const char *expected)
{
	char dir[512];
	struct stat st;
	uint64_t id;

	assert_int_equal(shares_of(&shares, slice_str(below(name)), &id), 0);
	(void)snprintf(dir, sizeof(dir), "%s%s", top, expected);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(id, st.st_ino);
}

static void what_root_made_counts_for_itself(void **state)
{
	(void)state;
	make_below("a.slice", 0);
	make_below("a.slice/b.service", 0);
	assert_counts_for("", "");
	assert_counts_for("/a.slice", "/a.slice");
	assert_counts_for("/a.slice/b.service", "/a.slice/b.service");
}

static void what_was_given_away_counts_once(void **state)
{
	(void)state;
	make_below("user.slice", 0);
	make_below("user.slice/mine", 1234);
	make_below("user.slice/mine/x", 1234);
	make_below("user.slice/mine/x/y", 0);
	assert_counts_for("/user.slice/mine/x", "/user.slice/mine");
	assert_counts_for("/user.slice/mine/x/y", "/user.slice/mine");
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void what_a_container_made_counts_for_it(void **state)
{
	(void)state;
	make_below("docker", 0);
	make_below("docker/" ID, 0);
	make_below("docker/" ID "/inner", 0);
	make_below("docker/" ID "/inner/more", 0);
	assert_counts_for("/docker/" ID "/inner/more", "/docker/" ID);
}

static void one_that_is_gone_counts_for_what_is_left(void **state)
{
	(void)state;
	make_below("a", 0);
	assert_counts_for("/a/gone/deeper (deleted)", "/a");
}

static void what_is_elsewhere_is_not_enforced(void **state)
{
	char beside[CGROUPFS_PATH_MAX + 16];
	uint64_t id;

	(void)state;
	(void)snprintf(beside, sizeof(beside), "%s-beside", shares.fs.attached);
	assert_int_equal(shares_of(&shares, SLICE("/"), &id), -ENOENT);
	assert_int_equal(shares_of(&shares, slice_str(beside), &id), -ENOENT);
	assert_false(shares_is_enforced(&shares, SLICE("/elsewhere")));
	assert_int_equal(shares_of(&shares, SLICE("/../x"), &id), -ENOENT);
	assert_false(shares_is_whole(&shares));
}

static void where_all_is_enforced_only_another_root_is_not(void **state)
{
	char mount[sizeof(top) + 4];
	struct shares whole = { 0 };
	uint64_t id;

	(void)state;
	(void)snprintf(mount, sizeof(mount), "%s/..", top);
	assert_int_equal(shares_open(&whole, mount), 0);
	assert_true(shares_is_whole(&whole));
	assert_int_equal(shares_of(&whole, SLICE("/"), &id), 0);
	assert_int_equal(shares_of(&whole, SLICE("/none"), &id), 0);
	assert_int_equal(shares_of(&whole, SLICE("/.."), &id), -ENOENT);
	assert_int_equal(shares_of(&whole, SLICE("/../beside"), &id), -ENOENT);
	assert_true(shares_is_enforced(&whole, SLICE("/..beside")));
	shares_close(&whole);
}

static unsigned take_all(uint64_t cgroup, uint64_t now_us)
{
	unsigned n = 0;

	while (n < 1000 && shares_take(&shares, cgroup, now_us))
		n++;
	return n;
}

static void one_cgroup_is_limited_and_others_are_not(void **state)
{
	unsigned burst;

	(void)state;
	burst = take_all(7, 1000000);
	assert_in_range(burst, 1, 100);
	assert_int_equal(take_all(8, 1000000), burst);
	assert_int_equal(take_all(7, 1000000), 0);
	assert_in_range(take_all(7, 2000000), 1, burst); /* a second later */
	assert_int_equal(take_all(7, 3600000000), burst); /* no more than that, ever */
}

static void all_together_are_limited_too(void **state)
{
	unsigned n = 0;

	(void)state;
	while (n < 100000 && shares_take_any(&shares, 5000000))
		n++;
	assert_in_range(n, 1, 1000);
	assert_false(shares_take_any(&shares, 5000000));
	assert_true(shares_take_any(&shares, 6000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_root_made_counts_for_itself, make, clean),
		cmocka_unit_test_setup_teardown(what_was_given_away_counts_once, make, clean),
		cmocka_unit_test_setup_teardown(what_a_container_made_counts_for_it, make, clean),
		cmocka_unit_test_setup_teardown(one_that_is_gone_counts_for_what_is_left, make,
						clean),
		cmocka_unit_test_setup_teardown(what_is_elsewhere_is_not_enforced, make, clean),
		cmocka_unit_test_setup_teardown(where_all_is_enforced_only_another_root_is_not,
						make, clean),
		cmocka_unit_test_setup_teardown(one_cgroup_is_limited_and_others_are_not, make,
						clean),
		cmocka_unit_test_setup_teardown(all_together_are_limited_too, make, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a monitor leaves to the next: it comes through whole, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "daemon/handover.h"

#define N_FDS 12

static int fds[N_FDS];

static int open_fds(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FDS; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return -1;
	}
	return 0;
}

static int close_fds(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FDS; i++)
		(void)close(fds[i]);
	return 0;
}

/* Every descriptor once. */
static json_t *whole(void)
{
	json_t *doc = json_pack(
		"{si si si si si si si s[{si si s[ii]}] s[{si si si si si si si s[i] s[i]}]"
		" s[{si si si}] s[{si si si si si si si}]}",
		"format", HANDOVER_FORMAT, "generation", 2, "edition", 3, "lock", fds[0], "control",
		fds[1], "socket_unit", 0, "client", fds[2], "listeners", "family", 2, "netns", 1,
		"fds", fds[3], fds[4], "namespaces", "cookie", 7, "fd", fds[5], "share", 4, "first",
		0, "pid", 100, "tid", 100, "start_ns", 9, "v4", fds[6], "v6", fds[7], "slabs",
		"number", 0, "fd", fds[8], "wake", fds[9], "children", "role", 8, "index", 0,
		"slab", 0, "generation", 1, "pid", 101, "channel", fds[10], "started_us", 1);

	assert_non_null(doc);
	return doc;
}

static bool is_kept(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	assert_true(flags >= 0);
	return !(flags & FD_CLOEXEC);
}

static size_t kept(void)
{
	size_t n = 0;

	for (size_t i = 0; i < N_FDS; i++)
		n += is_kept(fds[i]);
	return n;
}

static int parse(const json_t *doc)
{
	_cleanup_free_ char *text = json_dumps(doc, JSON_COMPACT);
	json_t *read = NULL;
	int r = handover_parse(slice_of(text, strlen(text)), &read);

	json_decref(read);
	return r;
}

static void comes_through_and_closes_again(void **state)
{
	json_t *doc = whole(), *read = NULL;
	struct diag d = { 0 };
	int fd = -EBADF;

	(void)state;
	assert_int_equal(handover_write(doc, &fd), 0);
	assert_true(is_kept(fd));
	assert_int_equal(kept(), 11);
	assert_false(is_kept(fds[11])); /* it is not named */
	assert_int_equal(handover_read(fd, &d, &read), 0);
	assert_true(json_equal(doc, read));
	assert_int_equal(kept(), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	json_decref(read);
	json_decref(doc);
}

static void an_execve_that_failed_leaves_nothing_open(void **state)
{
	json_t *doc = whole();
	int fd = -EBADF;

	(void)state;
	assert_int_equal(handover_write(doc, &fd), 0);
	handover_undo(doc);
	assert_int_equal(kept(), 0);
	(void)close(fd);
	json_decref(doc);
}

static void a_descriptor_that_is_closed_or_named_twice_is_an_error(void **state)
{
	struct diag d = { 0 };
	json_t *doc = whole(), *read = NULL;
	int fd = -EBADF;

	(void)state;
	(void)json_object_set_new(doc, "client", json_integer(4000));
	assert_true(handover_write(doc, &fd) < 0);
	assert_int_equal(kept(), 0);
	(void)json_object_set_new(doc, "client", json_integer(fds[0]));
	assert_int_equal(handover_write(doc, &fd), 0);
	assert_true(handover_read(fd, &d, &read) < 0);
	assert_string_equal(d.text, "--takeover: what was handed over is of another format");
	handover_undo(doc);
	json_decref(doc);
}

static void what_is_not_sealed_is_not_believed(void **state)
{
	int fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct diag d = { 0 };
	json_t *read = NULL;

	(void)state;
	assert_int_equal(write(fd, "{}", 2), 2);
	assert_true(handover_read(fd, &d, &read) < 0);
	assert_non_null(strstr(d.text, "is not what a monitor hands over"));
}

/* Each member missing, of another kind, or beside one that nobody knows. */
static void every_member_is_wanted_and_no_other(void **state)
{
	static const char *const rows[] = { "listeners", "namespaces", "slabs", "children" };
	json_t *good = whole(), *bad;
	const char *key;
	json_t *v;

	(void)state;
	assert_int_equal(parse(good), 0);
	json_object_foreach(good, key, v)
	{
		bad = json_deep_copy(good);
		(void)json_object_del(bad, key);
		assert_int_equal(parse(bad), -EPROTO);
		(void)json_object_set_new(bad, key, json_string("1"));
		assert_int_equal(parse(bad), -EPROTO);
		(void)json_object_set_new(bad, key, json_integer(-1));
		assert_int_equal(parse(bad), -EPROTO);
		json_decref(bad);
	}
	bad = json_deep_copy(good);
	(void)json_object_set_new(bad, "more", json_integer(1));
	assert_int_equal(parse(bad), -EPROTO);
	json_decref(bad);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		json_object_foreach(json_array_get(json_object_get(good, rows[i]), 0), key, v)
		{
			bad = json_deep_copy(good);
			(void)json_object_del(json_array_get(json_object_get(bad, rows[i]), 0),
					      key);
			assert_int_equal(parse(bad), -EPROTO);
			json_decref(bad);
		}
	json_decref(good);
}

static void another_format_is_refused(void **state)
{
	json_t *doc = whole();

	(void)state;
	(void)json_object_set_new(doc, "format", json_integer(HANDOVER_FORMAT - 1));
	assert_int_equal(parse(doc), -EPROTO);
	(void)json_object_set_new(doc, "format", json_integer(HANDOVER_FORMAT + 1));
	assert_int_equal(parse(doc), -EPROTO);
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_through_and_closes_again, open_fds,
						close_fds),
		cmocka_unit_test_setup_teardown(an_execve_that_failed_leaves_nothing_open, open_fds,
						close_fds),
		cmocka_unit_test_setup_teardown(
			a_descriptor_that_is_closed_or_named_twice_is_an_error, open_fds,
			close_fds),
		cmocka_unit_test(what_is_not_sealed_is_not_believed),
		cmocka_unit_test_setup_teardown(every_member_is_wanted_and_no_other, open_fds,
						close_fds),
		cmocka_unit_test_setup_teardown(another_format_is_refused, open_fds, close_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are obeyed: whoever else could have written or read them is found. Runs as root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/trusted.h"

static char dir[] = "/tmp/egret-test-trusted-XXXXXX", path[128], other[128];
static struct diag d;

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	(void)snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)unlink(other);
	return rmdir(dir);
}

static void make(mode_t mode, uid_t owner, size_t size)
{
	int fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fchown(fd, owner, 0), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static int try(void)
{
	int fd = -EBADF, r;

	d = (struct diag){ 0 };
	r = trusted_open(path, 100, false, &d, &fd);
	if (r == 0)
		(void)close(fd);
	return r;
}

static int try_secret(void)
{
	int fd = -EBADF, r;

	d = (struct diag){ 0 };
	r = trusted_open_secret(path, 100, &d, &fd);
	if (r == 0)
		(void)close(fd);
	return r;
}

static void others_may_not_write_what_is_obeyed(void **state)
{
	(void)state;
	make(0644, 0, 10);
	assert_int_equal(try(), 0);
	make(0664, 0, 10);
	assert_int_equal(try(), -EACCES);
	make(0646, 0, 10);
	assert_int_equal(try(), -EACCES);
	make(0644, 12345, 10);
	assert_int_equal(try(), -EACCES);
	assert_string_equal(d.file, path);
	assert_non_null(strstr(d.text, "12345"));
	assert_non_null(strstr(d.text, "chown root"));
}

static void others_may_not_read_a_secret(void **state)
{
	(void)state;
	make(0600, 0, 10);
	assert_int_equal(try_secret(), 0);
	make(0400, 0, 10);
	assert_int_equal(try_secret(), 0);
	make(0640, 0, 10);
	assert_int_equal(try_secret(), -EACCES);
	make(0604, 0, 10);
	assert_int_equal(try_secret(), -EACCES);
	make(0600, 12345, 10);
	assert_int_equal(try_secret(), -EACCES);
}

static void a_secret_is_no_link(void **state)
{
	(void)state;
	make(0600, 0, 10);
	(void)unlink(other);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(try(), 0);
	assert_int_equal(try_secret(), -ELOOP);
	(void)unlink(path);
	(void)unlink(other);
}

static void only_regular_files_of_bounded_size_are_read(void **state)
{
	(void)state;
	make(0600, 0, 100);
	assert_int_equal(try(), 0);
	make(0600, 0, 101);
	assert_int_equal(try(), -EFBIG);
	(void)unlink(path);
	assert_int_equal(try(), -ENOENT);
	assert_non_null(strstr(d.text, "cannot open"));
	/* Would block an open that waits for a writer. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(try(), -EINVAL);
	(void)unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(try(), -EINVAL);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(try(), -EINVAL);
	(void)unlink(path);
}

static void a_missing_file_may_be_optional(void **state)
{
	int fd = -EBADF;

	(void)state;
	(void)unlink(path);
	d = (struct diag){ 0 };
	assert_int_equal(trusted_open(path, 100, true, &d, &fd), -ENOENT);
	assert_string_equal(d.text, "");
}

static void what_grows_meanwhile_is_not_read_beyond_its_bound(void **state)
{
	struct buf b;
	int fd;

	(void)state;
	make(0600, 0, 50);
	fd = open(path, O_RDWR);
	assert_int_equal(trusted_read(path, fd, 50, &d, &b), 0);
	assert_int_equal(buf_len(&b), 50);
	buf_release(&b);
	assert_int_equal(ftruncate(fd, 51), 0);
	assert_int_equal(trusted_read(path, fd, 50, &d, &b), -EFBIG);
	buf_release(&b);
	(void)close(fd);
}

static void a_file_is_replaced_whole(void **state)
{
	struct stat st, before;
	struct buf b;
	int fd;

	(void)state;
	make(0600, 0, 10);
	assert_int_equal(stat(path, &before), 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(trusted_write(path, 0644, SLICE("new text"), &d), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_size, 8);
	assert_true(st.st_ino != before.st_ino);
	/* Who had the old one open still has it. */
	assert_int_equal(trusted_read(path, fd, 50, &d, &b), 0);
	assert_int_equal(buf_len(&b), 10);
	buf_release(&b);
	(void)close(fd);
}

static void a_planted_link_is_not_written_through(void **state)
{
	char temp[160];
	struct stat st;

	(void)state;
	make(0600, 0, 10);
	(void)snprintf(temp, sizeof(temp), "%s.new", path);
	assert_int_equal(symlink(other, temp), 0);
	assert_int_equal(trusted_write(path, 0600, SLICE("x"), &d), 0);
	assert_int_equal(stat(other, &st), -1);
	assert_int_equal(lstat(temp, &st), -1);
}

static void a_directory_others_can_write_is_refused(void **state)
{
	(void)state;
	(void)unlink(path);
	assert_int_equal(trusted_directory(path, 0755, &d), 0);
	assert_int_equal(trusted_directory(path, 0755, &d), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(trusted_directory(path, 0755, &d), -EACCES);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chown(path, 12345, 0), 0);
	assert_int_equal(trusted_directory(path, 0755, &d), -EACCES);
	assert_int_equal(rmdir(path), 0);
	make(0600, 0, 1);
	assert_int_equal(trusted_directory(path, 0755, &d), -ENOTDIR);
	(void)unlink(path);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(trusted_directory(path, 0755, &d), -ENOTDIR);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_may_not_write_what_is_obeyed),
		cmocka_unit_test(others_may_not_read_a_secret),
		cmocka_unit_test(a_secret_is_no_link),
		cmocka_unit_test(only_regular_files_of_bounded_size_are_read),
		cmocka_unit_test(a_missing_file_may_be_optional),
		cmocka_unit_test(what_grows_meanwhile_is_not_read_beyond_its_bound),
		cmocka_unit_test(a_file_is_replaced_whole),
		cmocka_unit_test(a_planted_link_is_not_written_through),
		cmocka_unit_test(a_directory_others_can_write_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where keys come from: files only root can reach, and commands that may do anything. As root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "daemon/credential_source.h"

#define KEY "sk-test-0123456789"

static char dir[] = "/tmp/egret-test-source-XXXXXX";
static struct loop *loop;

static int set_up(void **state)
{
	(void)state;
	loop = loop_new();
	return loop && mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop = loop_free(loop);
	return rmdir(dir);
}

struct result {
	bool came;
	int fd;
	char why[300];
};

static void on_source(void *ctx, int fd, const char *why)
{
	struct result *r = ctx;

	assert_false(r->came);
	*r = (struct result){ .came = true, .fd = fd };
	(void)snprintf(r->why, sizeof(r->why), "%s", why);
	loop_stop(loop);
}

static struct result open_words(enum config_source source, const char *const *words, size_t n,
				uint64_t timeout_us)
{
	const struct config_credential c = { .id = (char *)(uintptr_t) "x",
					     .source = source,
					     .words = { (char **)(uintptr_t)words, n } };
	struct result r = { .fd = -EBADF };
	struct credential_source *s =
		credential_source_open(loop, &c, dir, timeout_us, on_source, &r);

	if (s)
		loop_run(loop);
	assert_true(r.came);
	return r;
}

static struct result run(const char *script)
{
	const char *const words[] = { "/bin/sh", "-c", script, NULL };

	return open_words(CONFIG_SOURCE_COMMAND, words, 3, 10000000);
}

static struct result open_file(const char *name)
{
	const char *const words[] = { name, NULL };

	return open_words(CONFIG_SOURCE_FILE, words, 1, 0);
}

/* All that is there, to an end that must come. */
static void reads(struct result *r, const char *wanted)
{
	char text[CREDENTIAL_SOURCE_MAX + 1];
	size_t n = 0;
	ssize_t got;

	if (r->fd < 0)
		fail_msg("refused: %s", r->why);
	do {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };

		/* What was just killed may not have closed its end yet. */
		assert_int_equal(poll(&p, 1, 10000), 1);
		got = read(r->fd, text + n, sizeof(text) - n);
		n += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	assert_int_equal(got, 0);
	assert_int_equal(n, strlen(wanted));
	assert_memory_equal(text, wanted, n);
	assert_int_equal(fcntl(r->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	(void)close(r->fd);
}

static void fails(struct result r, const char *words)
{
	if (r.fd >= 0 || !strstr(r.why, words))
		fail_msg("fd %d, \"%s\" instead of \"%s\"", r.fd, r.why, words);
}

static void make(const char *name, mode_t mode)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(write(fd, KEY, strlen(KEY)) > 0);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void drop(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

static void a_file_is_roots_alone(void **state)
{
	struct result r;

	(void)state;
	make("key", 0600);
	r = open_file("key");
	reads(&r, KEY);
	make("key", 0644);
	fails(open_file("key"), "chmod 0600");
	make("key", 0620);
	fails(open_file("key"), "chmod 0600");
	drop("key");
	fails(open_file("key"), "No such file");
	fails(open_file("/dev/null"), "regular");
	fails(open_file("/dev/zero"), "regular");
}

static void a_systemd_credential_stands_in_its_directory(void **state)
{
	const char *const words[] = { "key", NULL };
	struct result r;

	(void)state;
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	fails(open_words(CONFIG_SOURCE_SYSTEMD, words, 1, 0), "LoadCredential=key");
	(void)setenv("CREDENTIALS_DIRECTORY", "relative", 1);
	fails(open_words(CONFIG_SOURCE_SYSTEMD, words, 1, 0), "LoadCredential=key");
	(void)setenv("CREDENTIALS_DIRECTORY", dir, 1);
	make("key", 0400);
	r = open_words(CONFIG_SOURCE_SYSTEMD, words, 1, 0);
	reads(&r, KEY);
	make("key", 0444);
	fails(open_words(CONFIG_SOURCE_SYSTEMD, words, 1, 0), "not safe");
	drop("key");
}

static void a_commands_output_is_the_key(void **state)
{
	struct result r;

	(void)state;
	r = run("printf %s " KEY);
	reads(&r, KEY);
	r = run("true");
	reads(&r, "");
}

static void a_command_that_fails_gives_no_key(void **state)
{
	const char *const missing[] = { "/nonexistent/command", NULL };

	(void)state;
	fails(run("echo " KEY "; exit 3"), "status 3");
	fails(run("echo " KEY "; kill -9 $$"), "signal 9");
	fails(open_words(CONFIG_SOURCE_COMMAND, missing, 1, 10000000), "cannot be executed");
}

static void a_command_that_hangs_is_killed(void **state)
{
	const char *const words[] = { "/bin/sh", "-c", "echo " KEY "; sleep 1000", NULL };
	uint64_t before = clock_mono_us();

	(void)state;
	fails(open_words(CONFIG_SOURCE_COMMAND, words, 3, 200000), "in time");
	assert_true(clock_mono_us() - before < 10000000u);
}

static void too_much_output_is_no_key(void **state)
{
	const char *const words[] = { "/bin/sh", "-c", "exec head -c 100000000 /dev/zero", NULL };

	(void)state;
	fails(open_words(CONFIG_SOURCE_COMMAND, words, 3, 500000), "in time");
}

static void what_a_command_leaves_behind_cannot_write_on(void **state)
{
	struct result r;

	(void)state;
	/* With the writer alive there would be no end to read. */
	r = run("sleep 1000 & printf %s " KEY);
	reads(&r, KEY);
}

static void a_command_inherits_nothing(void **state)
{
	struct result r;
	int leaked = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */

	(void)state;
	(void)setenv("EGRET_TEST_SECRET", "x", 1);
	r = run("env | grep -c EGRET_TEST_SECRET; ls /proc/self/fd | wc -l; cat; pwd; ulimit -c");
	/* 0, 1, 2 and the directory that ls reads; nothing on standard input. */
	reads(&r, "0\n4\n/\n0\n");
	(void)close(leaked);
}

static void one_that_is_cancelled_does_not_call_back(void **state)
{
	const char *const words[] = { "/bin/sh", "-c", "sleep 1000", NULL };
	const struct config_credential c = { .source = CONFIG_SOURCE_COMMAND,
					     .words = { (char **)(uintptr_t)words, 3 } };
	struct result r = { 0 };
	struct credential_source *s =
		credential_source_open(loop, &c, dir, 10000000, on_source, &r);

	(void)state;
	assert_non_null(s);
	assert_null(credential_source_cancel(s));
	assert_false(r.came);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_roots_alone),
		cmocka_unit_test(a_systemd_credential_stands_in_its_directory),
		cmocka_unit_test(a_commands_output_is_the_key),
		cmocka_unit_test(a_command_that_fails_gives_no_key),
		cmocka_unit_test(a_command_that_hangs_is_killed),
		cmocka_unit_test(too_much_output_is_no_key),
		cmocka_unit_test(what_a_command_leaves_behind_cannot_write_on),
		cmocka_unit_test(a_command_inherits_nothing),
		cmocka_unit_test(one_that_is_cancelled_does_not_call_back),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

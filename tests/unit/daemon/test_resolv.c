/* SPDX-License-Identifier: Apache-2.0 */
/* A resolv.conf that changes in every way that the programs that write it have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/resolv.h"
#include "daemon/warnings.h"
#include "event/loop.h"

#define PATIENCE_US 10000000u

struct fixture {
	char dir[64], file[256];
	struct loop *loop;
	struct warnings *warnings;
	struct resolv *r;
	unsigned changes;
	struct timer patience, look;
};

static void on_change(void *ctx)
{
	struct fixture *f = ctx;

	f->changes++;
	loop_stop(f->loop);
}

static void on_patience(struct timer *t)
{
	(void)t;
	fail_msg("nothing happened");
}

static void in(const struct fixture *f, const char *name, char to[256])
{
	(void)snprintf(to, 256, "%s/%s", f->dir, name);
}

static void put(const struct fixture *f, const char *name, const char *text)
{
	char path[256];
	int fd;

	in(f, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void move(const struct fixture *f, const char *from, const char *to)
{
	char a[256], b[256];

	in(f, from, a);
	in(f, to, b);
	assert_int_equal(rename(a, b), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/egret-resolv-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	in(f, "resolv.conf", f->file);
	f->loop = loop_new();
	f->warnings = warnings_new();
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	timer_stop(&f->patience);
	timer_stop(&f->look);
	(void)resolv_free(f->r);
	(void)warnings_free(f->warnings);
	(void)loop_free(f->loop);
	assert_int_equal(nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	const struct resolv_opts o = { .loop = f->loop,
				       .file = f->file,
				       .warnings = f->warnings,
				       .on_change = on_change,
				       .ctx = f };

	assert_int_equal(resolv_new(&o, &f->r), 0);
}

static void add_text(void *ctx, const struct eg_addr *a)
{
	char *to = ctx, one[INET6_ADDRSTRLEN];
	size_t n = strlen(to);

	(void)inet_ntop(AF_INET6, a, one, sizeof(one));
	(void)snprintf(to + n, 512 - n, "%s ", one);
}

static void assert_servers(const struct fixture *f, const char *wanted)
{
	char text[512] = "";

	resolv_each(f->r, add_text, text);
	assert_string_equal(text, wanted);
}

static void until_change(struct fixture *f, const char *wanted)
{
	unsigned before = f->changes;

	timer_start(&f->patience, f->loop, PATIENCE_US, on_patience);
	loop_run(f->loop);
	timer_stop(&f->patience);
	assert_int_equal(f->changes, before + 1);
	assert_servers(f, wanted);
}

/* There is no event for a warning. */
static void on_look(struct timer *t)
{
	struct fixture *f = container_of(t, struct fixture, look);

	if (warnings_has(f->warnings, "resolv.conf"))
		loop_stop(f->loop);
	else
		timer_start(t, f->loop, 10000, on_look);
}

static void until_warned(struct fixture *f)
{
	unsigned before = f->changes;

	timer_start(&f->look, f->loop, 0, on_look);
	timer_start(&f->patience, f->loop, PATIENCE_US, on_patience);
	loop_run(f->loop);
	timer_stop(&f->patience);
	assert_int_equal(f->changes, before);
}

static void name_servers_are_found(void **state)
{
	struct fixture *f = *state;
	struct eg_resolvers s;

	put(f, "resolv.conf",
	    "# nameserver 9.9.9.9\nsearch example.com\nnameserver 192.0.2.1\n"
	    "  nameserver\t2001:db8::53 # home\nnameserver fe80::1%eth0\noptions edns0\n"
	    "nameserver\nnameserver x\nnameserver 192.0.2.2");
	begin(f);
	assert_servers(f, "::ffff:192.0.2.1 2001:db8::53 fe80::1 ::ffff:192.0.2.2 ");
	resolv_servers(f->r, &s);
	assert_int_equal(s.n, 3);
}

static void no_file_at_start_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct eg_resolvers s;

	begin(f);
	resolv_servers(f->r, &s);
	assert_int_equal(s.n, 0);
	put(f, "resolv.conf", "nameserver 192.0.2.1\n");
	until_change(f, "::ffff:192.0.2.1 ");
}

static void it_is_written_in_place_or_replaced(void **state)
{
	struct fixture *f = *state;

	put(f, "resolv.conf", "nameserver 192.0.2.1\n");
	begin(f);
	put(f, "resolv.conf", "nameserver 192.0.2.2\n");
	until_change(f, "::ffff:192.0.2.2 ");
	put(f, "new", "nameserver 192.0.2.3\n");
	move(f, "new", "resolv.conf");
	until_change(f, "::ffff:192.0.2.3 ");
	put(f, "resolv.conf", "nameserver 192.0.2.4\n");
	until_change(f, "::ffff:192.0.2.4 ");
}

static void links_are_followed(void **state)
{
	struct fixture *f = *state;
	char path[256];

	in(f, "run", path);
	assert_int_equal(mkdir(path, 0755), 0);
	put(f, "run/stub", "nameserver 192.0.2.1\n");
	in(f, "link", path);
	assert_int_equal(symlink("run/stub", path), 0);
	assert_int_equal(symlink(path, f->file), 0);
	begin(f);
	assert_servers(f, "::ffff:192.0.2.1 ");
	/* What the last link points at is replaced. */
	put(f, "run/.stub", "nameserver 192.0.2.2\n");
	move(f, "run/.stub", "run/stub");
	until_change(f, "::ffff:192.0.2.2 ");
	/* A link points elsewhere, to a directory that nobody watched. */
	in(f, "run/deep", path);
	assert_int_equal(mkdir(path, 0755), 0);
	put(f, "run/deep/other", "nameserver 192.0.2.3\n");
	in(f, "link.new", path);
	assert_int_equal(symlink("run/deep/other", path), 0);
	move(f, "link.new", "link");
	until_change(f, "::ffff:192.0.2.3 ");
	put(f, "run/deep/other", "nameserver 192.0.2.4\n");
	until_change(f, "::ffff:192.0.2.4 ");
	/* And into one that is yet to be made. */
	in(f, "link.new", path);
	assert_int_equal(symlink("later/than/this", path), 0);
	move(f, "link.new", "link");
	until_warned(f);
	in(f, "later", path);
	assert_int_equal(mkdir(path, 0755), 0);
	in(f, "later/than", path);
	assert_int_equal(mkdir(path, 0755), 0);
	put(f, "later/than/this", "nameserver 192.0.2.5\n");
	until_change(f, "::ffff:192.0.2.5 ");
	assert_false(warnings_has(f->warnings, "resolv.conf"));
}

static void what_names_nobody_changes_nothing(void **state)
{
	static const char *const bad[] = { "", "search example.com\n", "nameserver nobody\n" };
	struct fixture *f = *state;
	char path[256], before[64] = "::ffff:192.0.2.1 ", text[64];

	put(f, "resolv.conf", "nameserver 192.0.2.1\n");
	begin(f);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put(f, "resolv.conf", bad[i]);
		until_warned(f);
		assert_servers(f, before);
		(void)snprintf(text, sizeof(text), "nameserver 192.0.2.%zu\n", i + 2);
		(void)snprintf(before, sizeof(before), "::ffff:192.0.2.%zu ", i + 2);
		put(f, "resolv.conf", text);
		until_change(f, before);
		assert_false(warnings_has(f->warnings, "resolv.conf"));
	}
	/* Neither may it hold anybody up. */
	in(f, "fifo", path);
	assert_int_equal(mkfifo(path, 0644), 0);
	move(f, "fifo", "resolv.conf");
	until_warned(f);
	assert_int_equal(unlink(f->file), 0);
	assert_int_equal(symlink("resolv.conf", f->file), 0); /* to itself */
	put(f, "new", "nameserver 192.0.2.9\n");
	move(f, "new", "resolv.conf");
	until_change(f, "::ffff:192.0.2.9 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(name_servers_are_found),
		T(no_file_at_start_is_waited_for),
		T(it_is_written_in_place_or_replaced),
		T(links_are_followed),
		T(what_names_nobody_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer that does not read can make us hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "event/channel.h"

#define MANY 100000

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void on_msg(struct channel *ch, void *ctx, struct msg *m)
{
	(void)ch;
	(void)ctx;
	(void)m;
}

static void on_close(struct channel *ch, void *ctx, int error)
{
	(void)ch;
	*(int *)ctx = error;
}

static void descriptors_for_one_who_does_not_read_are_bounded(void **state)
{
	struct loop *l = loop_new();
	struct eg_sockets body = { .family = AF_INET, .count = EG_MSG_FDS };
	int error = 1, r = 0, pair[2], fds[EG_MSG_FDS];
	struct channel_opts o = {
		.peer_role = EG_WORKER, .on_msg = on_msg, .on_close = on_close, .ctx = &error
	};
	struct channel *ch;
	unsigned before;

	(void)state;
	assert_int_equal(channel_pair(pair), 0);
	assert_int_equal(channel_new(l, pair[0], &o, &ch), 0);
	for (unsigned i = 0; i < EG_MSG_FDS; i++)
		fds[i] = pair[1];
	before = open_fds();
	for (unsigned i = 0; i < MANY && r == 0; i++)
		r = channel_reply(ch, EG_MSG_sockets, i + 1, &body, sizeof(body), NULL, 0, fds,
				  EG_MSG_FDS);
	assert_int_equal(r, -EPIPE);
	assert_true(open_fds() - before <= 512);
	ch = channel_free(ch);
	close(pair[1]);
	l = loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_for_one_who_does_not_read_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

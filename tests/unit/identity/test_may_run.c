/* SPDX-License-Identifier: Apache-2.0 */
/* identity_may_run(): whether a command that is not there yet can be the workload it is to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "load.h"

#include "dataplane/cgroup.h"

static struct loop *loop;

/* The mount of cgroup2 stands for the enforced cgroup: paths are looked at, nothing else. */
static struct identity *identity_make(void)
{
	static char mount[256];
	struct identity_opts o = {
		.cgroup = mount,
		.cgroup_run = "egret/run",
		.proc = "/proc",
		.hash_bytes_max = 1 << 20,
	};
	struct identity *id;

	assert_int_equal(cgroup_mount(mount, sizeof(mount)), 0);
	assert_int_equal(identity_new(loop, &o, &id), 0);
	return id;
}

/* What `egret run` asks before it makes a process what the policy would not take it for. */
static void who_may_be_run_is_known_before(void **state)
{
	static const struct {
		const char *workloads;
		uint32_t index; /* asked for */
		int result;
		uint32_t first;
	} cases[] = {
		{ "\"a\":{\"match\":[{\"run\":true}]}", 1, 0, 0 },
		{ "\"a\":{\"match\":[{\"user\":7}]}", 1, 0, 0 },
		{ "\"a\":{\"match\":[{\"user\":8}]}", 1, -ENOENT, 0 },
		{ "\"a\":{\"match\":[{\"run\":true,\"group\":8}]}", 1, -ENOENT, 0 },
		{ "\"a\":{\"match\":[{\"unit\":\"a.service\"},{\"cgroup\":\"/b\"}]}", 1, -ENOENT,
		  0 },
		/* The command is not known yet. */
		{ "\"a\":{\"match\":[{\"run\":true,\"exe\":\"/bin/x\"}]}", 1, 0, 0 },
		{ "\"a\":{\"match\":[{\"exe\":\"/bin/x\"}]}", 1, 0, 0 },
		/* Who comes before, and whether he may leave it to the next. */
		{ "\"a\":{\"match\":[{\"user\":7}]},\"b\":{\"match\":[{\"run\":true}]}", 2, -EEXIST,
		  1 },
		{ "\"a\":{\"match\":[{\"user\":7}],\"exe\":[{\"path\":\"/bin/x\"}]},"
		  "\"b\":{\"match\":[{\"run\":true}]}",
		  2, 0, 0 },
		{ "\"a\":{\"match\":[{\"user\":7}],\"exe\":[{\"path\":\"/bin/x\"}]},"
		  "\"b\":{\"match\":[{\"group\":7}]},\"c\":{\"match\":[{\"run\":true}]}",
		  3, -EEXIST, 2 },
		{ "\"a\":{\"match\":[{\"run\":true}]},\"b\":{\"match\":[{\"run\":true}]}", 2, 0,
		  0 },
		{ "\"a\":{\"match\":[{\"run\":true}]}", 0, -ENOENT, 0 },
		{ "\"a\":{\"match\":[{\"run\":true}]}", 2, -ENOENT, 0 },
	};
	struct identity *id = identity_make();
	uint32_t first;

	(void)state;
	assert_int_equal(identity_may_run(id, 1, 7, 7, &first), -ENOENT); /* no policy yet */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(identity_load_text(id, cases[i].workloads, 1), 0);
		if (identity_may_run(id, cases[i].index, 7, 7, &first) != cases[i].result ||
		    first != cases[i].first)
			fail_msg("%s: %u, first %u", cases[i].workloads, cases[i].index, first);
	}
	(void)identity_free(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_be_run_is_known_before),
	};
	int r;

	loop = loop_new();
	r = loop ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	loop = loop_free(loop);
	return r;
}

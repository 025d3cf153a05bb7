/* SPDX-License-Identifier: Apache-2.0 */
/* "match" and "exe": what is refused, who is found, who comes first, and what ten thousand cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "identity/identity.h"
#include "identity/selectors.h"

#define ID  "4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be0123"
#define UID "3f6e2b1c-58f2-4b0e-9a55-0d6a0c6f7e21"

static int compile(const char *workloads, const char *attached, struct diag *d,
		   struct selectors **ret)
{
	struct json_doc *doc = NULL;
	struct buf text;
	int r;

	buf_init(&text, 64u << 20);
	assert_int_equal(buf_printf(&text, "{\"workloads\":{%s}}", workloads), 0);
	*d = (struct diag){ 0 };
	*ret = NULL;
	r = json_doc_parse("p.json", buf_slice(&text), 64u << 20, d, &doc);
	if (r == 0)
		r = selectors_new(doc, attached, d, ret);
	(void)json_doc_free(doc);
	buf_release(&text);
	return r;
}

struct who {
	const char *cgroup, *run;
	uint32_t uid, gid;
	const struct engine_facts *engine;
	bool troubled;
};

/* Names of all that match, in order: "a c?", the second in doubt. */
static const char *find(const struct selectors *s, struct who who, char *ret, size_t size)
{
	struct selectors_found found[SELECTORS_FOUND_MAX];
	struct exe exe = { .dir = -EBADF, .fd = -EBADF };
	struct place place;
	struct selectors_facts f = {
		.cgroup = slice_str(who.cgroup),
		.below = slice_str(who.cgroup),
		.run = slice_str(who.run ? who.run : ""),
		.place = &place,
		.uid = who.uid,
		.gid = who.gid,
		.exe = &exe,
		.engine = who.engine,
		.engine_troubled = who.troubled,
	};
	size_t n, used = 0;

	place_of(f.below, &place);
	n = selectors_find(s, &f, found);
	ret[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (i)
			ret[used++] = ' ';
		used += slice_copy(s->workloads[found[i].workload].name, ret + used, size - used);
		if (found[i].in_doubt)
			used += slice_copy(SLICE("?"), ret + used, size - used);
	}
	return ret;
}

static void expect(const char *workloads, struct who who, const char *names)
{
	struct selectors *s;
	struct diag d;
	char got[2048];

	if (compile(workloads, "/", &d, &s) < 0)
		fail_msg("%s: %s", workloads, d.text);
	if (strcmp(find(s, who, got, sizeof(got)), names) != 0)
		fail_msg("%s\n%s uid %u gid %u: found \"%s\", not \"%s\"", workloads, who.cgroup,
			 who.uid, who.gid, got, names);
	assert_null(selectors_free(s));
}

static void cgroups(void **state)
{
	static const char a[] = "\"a\":{\"match\":[{\"cgroup\":\"/x/y\"}]}";
	static const char glob[] = "\"a\":{\"match\":[{\"cgroup\":\"/x/*.scope\"}]}";

	(void)state;
	expect(a, (struct who){ .cgroup = "/x/y" }, "a");
	expect(a, (struct who){ .cgroup = "/x/y/z/z" }, "a"); /* may be made by who lives there */
	expect(a, (struct who){ .cgroup = "/x" }, "");
	expect(a, (struct who){ .cgroup = "/x/yy" }, "");
	expect(a, (struct who){ .cgroup = "/w/x/y" }, "");
	expect(glob, (struct who){ .cgroup = "/x/1.scope" }, "a");
	expect(glob, (struct who){ .cgroup = "/x/1.scope/sub" }, "a");
	expect(glob, (struct who){ .cgroup = "/x/sub/1.scope" }, "");
	expect("\"a\":{\"match\":[{\"cgroup\":\"/\"}]}", (struct who){ .cgroup = "/any/where" },
	       "a");
	expect("\"a\":{\"match\":[{\"cgroup\":\"/\"}]}", (struct who){ .cgroup = "/" }, "a");
	expect("\"a\":{\"match\":[{\"cgroup\":\"/x/**/z\"}]}", (struct who){ .cgroup = "/x/1/2/z" },
	       "a");
	/* Names that look like patterns are names. */
	expect(a, (struct who){ .cgroup = "/x/*" }, "");
	expect(glob, (struct who){ .cgroup = "/x/*.scope" }, "a");
}

static void relative_cgroups_begin_where_the_hooks_are(void **state)
{
	struct selectors *s;
	struct diag d;
	char got[64];

	(void)state;
	assert_int_equal(compile("\"a\":{\"match\":[{\"cgroup\":\"x\"}]}", "/top/in", &d, &s), 0);
	assert_string_equal(find(s, (struct who){ .cgroup = "/top/in/x" }, got, sizeof(got)), "a");
	assert_string_equal(find(s, (struct who){ .cgroup = "/x" }, got, sizeof(got)), "");
	(void)selectors_free(s);
}

static void units(void **state)
{
	static const char a[] = "\"a\":{\"match\":[{\"unit\":\"web.service\"}]}";
	static const char user[] =
		"\"a\":{\"match\":[{\"unit\":\"user@1000.service/web.service\"}]}";
	static const char of_user[] =
		"/user.slice/user-1000.slice/user@1000.service/app.slice/web.service";

	(void)state;
	expect(a, (struct who){ .cgroup = "/system.slice/web.service" }, "a");
	expect(a, (struct who){ .cgroup = "/system.slice/web.service/worker" }, "a");
	expect(a, (struct who){ .cgroup = "/system.slice/other.service/web.service" }, "");
	expect(a, (struct who){ .cgroup = of_user }, "");
	expect(user, (struct who){ .cgroup = of_user }, "a");
	expect(user,
	       (struct who){ .cgroup =
				     "/user.slice/user-1001.slice/user@1001.service/web.service" },
	       "");
	expect("\"a\":{\"match\":[{\"unit\":\"user@*.service/web.service\"}]}",
	       (struct who){ .cgroup = of_user }, "a");
	/* The manager alone is no unit of its user's. */
	expect("\"a\":{\"match\":[{\"unit\":\"user@1000.service\"}]}",
	       (struct who){ .cgroup = of_user }, "");
	expect("\"a\":{\"match\":[{\"unit\":\"w?b*.service\"}]}",
	       (struct who){ .cgroup = "/system.slice/web@1.service" }, "a");
	expect("\"a\":{\"match\":[{\"unit\":\"cgroup.x.service\"}]}",
	       (struct who){ .cgroup = "/system.slice/_cgroup.x.service" }, "a");
}

static void containers(void **state)
{
	static const char by_id[] =
		"\"a\":{\"match\":[{\"container\":{\"id\":\"4f2d8c1a90be4f\"}}]}";
	static const char any[] = "\"a\":{\"match\":[{\"container\":{\"runtime\":\"docker\"}}]}";
	static const char pod[] = "\"a\":{\"match\":[{\"container\":{\"pod_uid\":\"" UID "\"}}]}";
	static const char rootless[] =
		"/user.slice/user-1000.slice/user@1000.service/libpod-" ID ".scope";

	(void)state;
	expect(by_id, (struct who){ .cgroup = "/docker/" ID }, "a");
	expect("\"a\":{\"match\":[{\"container\":{\"id\":\"4f2d8c1a90bf\"}}]}",
	       (struct who){ .cgroup = "/docker/" ID }, "");
	expect(any, (struct who){ .cgroup = "/system.slice/docker-" ID ".scope" }, "a");
	expect(any, (struct who){ .cgroup = "/machine.slice/libpod-" ID ".scope" }, "");
	expect(pod, (struct who){ .cgroup = "/kubepods/burstable/pod" UID "/" ID }, "a");
	/* Forged: a service that was given its subtree makes a directory of that name. */
	expect(by_id, (struct who){ .cgroup = "/system.slice/web.service/docker-" ID ".scope" },
	       "");
	expect(pod, (struct who){ .cgroup = "/system.slice/web.service/kubepods/pod" UID "/" ID },
	       "");
	expect(by_id, (struct who){ .cgroup = rootless }, "");
	expect("\"a\":{\"match\":[{\"container\":{\"id\":\"4f2d8c1a90be\"},"
	       "\"unit\":\"user@1000.service/*.scope\"}]}",
	       (struct who){ .cgroup = rootless }, "a");
}

static void images_and_labels(void **state)
{
	static const char image[] =
		"\"a\":{\"match\":[{\"container\":{\"image\":\"docker.io/team/*:1.*\"}}]}";
	static const char by_id[] = "\"a\":{\"match\":[{\"container\":{\"image\":\"sha256:77\"}}]}";
	static const char labels[] = "\"a\":{\"match\":[{\"container\":{\"labels\":"
				     "{\"team\":\"res*\",\"tier\":\"1\"}}}]}";
	static const char rootless[] = "\"a\":{\"match\":[{\"unit\":\"user@1000.service/*.scope\","
				       "\"container\":{\"image\":\"**\"}}]}";
	static const char user[] =
		"/user.slice/user-1000.slice/user@1000.service/libpod-" ID ".scope";
	static char name[] = "docker.io/team/agent:1.2", id[] = "sha256:77";
	struct engine_facts f = { name, id, json_pack("{ss ss}", "team", "research", "tier", "1") };
	struct engine_facts other = { name, id, json_pack("{ss}", "team", "research") };
	struct who box = { .cgroup = "/docker/" ID, .engine = &f },
		   bare = { .cgroup = "/docker/" ID };
	struct who lacks = { .cgroup = "/docker/" ID, .engine = &other };

	(void)state;
	expect(image, box, "a");
	expect(image, bare, "");
	expect(by_id, box, "a");
	expect("\"a\":{\"match\":[{\"container\":{\"image\":\"docker.io/team/agent\"}}]}", box, "");
	expect(labels, box, "a");
	expect(labels, lacks, "");
	expect(labels, bare, "");
	expect("\"a\":{\"match\":[{\"container\":{\"labels\":{\"team\":\"Research\"}}}]}", box, "");
	/* Forged: whoever has a subtree of his own can be called by any container's id there. */
	expect(rootless, (struct who){ .cgroup = user, .engine = &f }, "");
	/* Not a container at all. */
	expect(image, (struct who){ .cgroup = "/docker", .engine = &f }, "");
	json_decref(f.labels);
	json_decref(other.labels);
}

/* Who may come first, if only his engine said so, is not passed over in silence. */
static void an_engine_in_trouble_leaves_doubt(void **state)
{
	static const char two[] = "\"a\":{\"match\":[{\"container\":{\"image\":\"**\"}}]},"
				  "\"b\":{\"match\":[{\"cgroup\":\"/docker\"}]}";
	static const char either[] =
		"\"a\":{\"match\":[{\"container\":{\"image\":\"**\"}},{\"cgroup\":\"/docker\"},"
		"{\"container\":{\"labels\":{\"x\":\"y\"}}}]}";
	static const char others[] =
		"\"a\":{\"match\":[{\"user\":\"root\",\"container\":{\"image\":\"**\"}}]},"
		"\"b\":{\"match\":[{\"cgroup\":\"/docker\"}]}";
	static const char user[] =
		"/user.slice/user-1000.slice/user@1000.service/libpod-" ID ".scope";
	struct who box = { .cgroup = "/docker/" ID, .troubled = true };

	(void)state;
	expect(two, box, "a? b");
	expect(two, (struct who){ .cgroup = "/docker/" ID }, "b");
	/* Another of its entries needs no engine. */
	expect(either, box, "a");
	/* What else is asked for does not hold anyway. */
	box.uid = 1;
	expect(others, box, "b");
	expect(two, (struct who){ .cgroup = user, .troubled = true }, "");
	expect(two, (struct who){ .cgroup = "/docker", .troubled = true }, "b");
}

static void users_and_run(void **state)
{
	(void)state;
	expect("\"a\":{\"match\":[{\"user\":\"root\"}]}", (struct who){ .cgroup = "/" }, "a");
	expect("\"a\":{\"match\":[{\"user\":\"root\"}]}", (struct who){ .cgroup = "/", .uid = 1 },
	       "");
	expect("\"a\":{\"match\":[{\"user\":0}]}", (struct who){ .cgroup = "/" }, "a");
	expect("\"a\":{\"match\":[{\"group\":7}]}", (struct who){ .cgroup = "/", .gid = 7 }, "a");
	expect("\"a\":{\"match\":[{\"group\":7}]}", (struct who){ .cgroup = "/", .uid = 7 }, "");
	expect("\"a\":{\"match\":[{\"run\":true}]},\"b\":{\"match\":[{\"run\":true}]}",
	       (struct who){ .cgroup = "/egret/run/b/1", .run = "b" }, "b");
	expect("\"a\":{\"match\":[{\"run\":true}]}",
	       (struct who){ .cgroup = "/egret/run/b/1", .run = "b" }, "");
}

static void all_members_of_one_entry_must_hold(void **state)
{
	static const char a[] = "\"a\":{\"match\":[{\"cgroup\":\"/x\",\"user\":5},{\"user\":6}]}";

	(void)state;
	expect(a, (struct who){ .cgroup = "/x", .uid = 5 }, "a");
	expect(a, (struct who){ .cgroup = "/y", .uid = 5 }, "");
	expect(a, (struct who){ .cgroup = "/x", .uid = 7 }, "");
	expect(a, (struct who){ .cgroup = "/y", .uid = 6 }, "a");
	/* An entry that names a program needs one that can be established. */
	expect("\"a\":{\"match\":[{\"user\":5,\"exe\":\"/bin/**\"}]}",
	       (struct who){ .cgroup = "/x", .uid = 5 }, "");
}

static void the_first_in_the_document_comes_first(void **state)
{
	(void)state;
	expect("\"z\":{\"match\":[{\"user\":5}]},\"a\":{\"match\":[{\"cgroup\":\"/x/y\"}]},"
	       "\"m\":{\"match\":[{\"cgroup\":\"/**\"}]},\"b\":{\"match\":[{\"cgroup\":\"/x\"}]}",
	       (struct who){ .cgroup = "/x/y", .uid = 5 }, "z a m b");
}

static void only_the_first_matches_are_kept(void **state)
{
	struct selectors *s;
	struct diag d;
	struct buf text;
	char got[2048];

	(void)state;
	buf_init(&text, 1u << 20);
	/* Later ones first in their chains: every one is found, the first 32 stay. */
	for (int i = 0; i < 100; i++)
		assert_int_equal(buf_printf(&text,
					    "%s\"w%02d\":{\"match\":[{\"user\":5},{\"group\":5}]}",
					    i ? "," : "", i),
				 0);
	assert_int_equal(buf_append(&text, "", 1), 0);
	assert_int_equal(compile(buf_slice(&text).p, "/", &d, &s), 0);
	(void)find(s, (struct who){ .cgroup = "/", .uid = 5, .gid = 5 }, got, sizeof(got));
	assert_int_equal(strncmp(got, "w00 w01 w02", 11), 0);
	assert_string_equal(got + strlen(got) - 3, "w31");
	(void)selectors_free(s);
	buf_release(&text);
}

static void paths_too_deep_are_not_searched_for_ever(void **state)
{
	struct selectors *s;
	struct diag d;
	char path[4097], got[64];
	uint64_t begin;

	(void)state;
	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? 'a' : '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(compile("\"a\":{\"match\":[{\"cgroup\":\"/a\"}]}", "/", &d, &s), 0);
	begin = clock_mono_us();
	for (int i = 0; i < 100; i++)
		assert_string_equal(find(s, (struct who){ .cgroup = path }, got, sizeof(got)), "a");
	assert_true(clock_mono_us() - begin < 2000000);
	(void)selectors_free(s);
}

struct mistake {
	const char *workload, *says;
};

static void mistakes_are_named(void **state)
{
	static const struct mistake list[] = {
		{ "{}", "needs \"match\"" },
		{ "{\"match\":[]}", "needs \"match\"" },
		{ "{\"match\":{}}", "needs \"match\"" },
		{ "{\"match\":[3]}", "must be an object" },
		{ "{\"match\":[{}]}", "must be an object" },
		{ "{\"match\":[{\"units\":\"a.service\"}]}", "did you mean \"unit\"" },
		{ "{\"match\":[{\"unit\":\"a\"}]}", "with its suffix" },
		{ "{\"match\":[{\"unit\":\"a/b/c.service\"}]}", "with its suffix" },
		{ "{\"match\":[{\"unit\":7}]}", "with its suffix" },
		{ "{\"match\":[{\"cgroup\":\"\"}]}", "a cgroup's path" },
		{ "{\"match\":[{\"cgroup\":7}]}", "a cgroup's path" },
		{ "{\"match\":[{\"cgroup\":\"/a/../b\"}]}", "a cgroup's path" },
		{ "{\"match\":[{\"cgroup\":\"/a//b\"}]}", "a cgroup's path" },
		{ "{\"match\":[{\"cgroup\":\"/a/\"}]}", "a cgroup's path" },
		{ "{\"match\":[{\"cgroup\":\".\"}]}", "a cgroup's path" },
		{ "{\"match\":[{\"run\":false}]}", "true: started with" },
		{ "{\"match\":[{\"user\":\"no-such-user\"}]}", "a user of this host" },
		{ "{\"match\":[{\"user\":-1}]}", "a user of this host" },
		{ "{\"match\":[{\"user\":4294967295}]}", "a user of this host" },
		{ "{\"match\":[{\"group\":\"no-such-group\"}]}", "a group of this host" },
		{ "{\"match\":[{\"container\":{}}]}", "an object with" },
		{ "{\"match\":[{\"container\":{\"images\":\"x\"}}]}", "did you mean \"image\"" },
		{ "{\"match\":[{\"container\":{\"image\":\"\"}}]}", "an image's name" },
		{ "{\"match\":[{\"container\":{\"image\":[\"x\"]}}]}", "an image's name" },
		{ "{\"match\":[{\"container\":{\"labels\":{}}}]}", "an object of labels" },
		{ "{\"match\":[{\"container\":{\"labels\":[\"a=b\"]}}]}", "an object of labels" },
		{ "{\"match\":[{\"container\":{\"labels\":{\"a\":1}}}]}", "values are strings" },
		{ "{\"match\":[{\"container\":{\"labels\":{\"\":\"b\"}}}]}", "values are strings" },
		{ "{\"match\":[{\"container\":{\"id\":\"4f2d8c1a90b\"}}]}", "12 to 64" },
		{ "{\"match\":[{\"container\":{\"id\":\"4F2D8C1A90BE\"}}]}", "12 to 64" },
		{ "{\"match\":[{\"container\":{\"runtime\":\"lxc\"}}]}", "\"docker\"" },
		{ "{\"match\":[{\"container\":{\"runtime\":1}}]}", "\"docker\"" },
		{ "{\"match\":[{\"container\":{\"pod_uid\":\"x\"}}]}", "a pod's UID" },
		{ "{\"match\":[{\"exe\":\"node\"}]}", "absolute path" },
		{ "{\"match\":[{\"exe\":\"/usr/../bin/node\"}]}", "absolute path" },
		{ "{\"match\":[{\"run\":true}],\"exe\":[]}", "1 to 64 programs" },
		{ "{\"match\":[{\"run\":true}],\"exe\":{\"path\":\"/x\"}}", "1 to 64 programs" },
		{ "{\"match\":[{\"run\":true}],\"exe\":[{}]}", "\"path\", \"sha256\", or both" },
		{ "{\"match\":[{\"run\":true}],\"exe\":[\"/x\"]}",
		  "\"path\", \"sha256\", or both" },
		{ "{\"match\":[{\"run\":true}],\"exe\":[{\"path\":\"/x\",\"sha\":\"\"}]}",
		  "unknown member" },
		{ "{\"match\":[{\"run\":true}],\"exe\":[{\"sha256\":\"00\"}]}", "64 hex digits" },
		{ "{\"match\":[{\"run\":true}],\"exe\":[{\"path\":\"x\"}]}", "absolute path" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		char text[400];
		struct selectors *s;
		struct diag d;

		(void)snprintf(text, sizeof(text), "\"web\":%s", list[i].workload);
		if (compile(text, "/", &d, &s) != -EINVAL)
			fail_msg("accepted: %s", text);
		if (!strstr(d.text, list[i].says) || d.line != 1)
			fail_msg("%s\nsaid %u:%u %s\nnot %s", text, d.line, d.col, d.text,
				 list[i].says);
		assert_null(s);
	}
}

static void too_many_patterns_are_refused(void **state)
{
	struct selectors *s;
	struct diag d;
	struct buf text;

	(void)state;
	buf_init(&text, 1u << 20);
	for (int i = 0; i <= SELECTORS_PATTERNS_MAX; i++)
		assert_int_equal(buf_printf(&text, "%s\"w%d\":{\"match\":[{\"cgroup\":\"/*/%d\"}]}",
					    i ? "," : "", i, i),
				 0);
	assert_int_equal(buf_append(&text, "", 1), 0);
	assert_int_equal(compile(buf_slice(&text).p, "/", &d, &s), -EINVAL);
	assert_non_null(strstr(d.text, "patterns only"));
	buf_release(&text);
}

static struct selectors *make_crowd(unsigned n)
{
	struct selectors *s;
	struct diag d;
	struct buf text;

	buf_init(&text, 16u << 20);
	assert_int_equal(buf_printf(&text, "\"me\":{\"match\":[{\"unit\":\"me.service\"}]}"), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(
			buf_printf(&text,
				   ",\"w%u\":{\"match\":[{\"unit\":\"u%u.service\"},{\"cgroup\":"
				   "\"/c%u\"},{\"user\":%u},{\"run\":true},{\"container\":{\"id\":"
				   "\"%012x\"}}]}",
				   i, i, i, i + 10, i),
			0);
	assert_int_equal(buf_append(&text, "", 1), 0);
	if (compile(buf_slice(&text).p, "/", &d, &s) < 0)
		fail_msg("%s", d.text);
	buf_release(&text);
	return s;
}

static uint64_t cost_ns(const struct selectors *s)
{
	uint64_t best = UINT64_MAX;
	char got[64];

	for (int run = 0; run < 20; run++) {
		uint64_t begin = clock_mono_us(), took;

		for (int i = 0; i < 1000; i++)
			assert_string_equal(
				find(s, (struct who){ .cgroup = "/system.slice/me.service" }, got,
				     sizeof(got)),
				"me");
		took = clock_mono_us() - begin;
		best = took < best ? took : best;
	}
	return best;
}

static void ten_thousand_workloads_cost_as_ten(void **state)
{
	struct selectors *few = make_crowd(9), *many = make_crowd(10000);
	uint64_t a = cost_ns(few), b = cost_ns(many);

	(void)state;
	print_message("10 workloads: %lu ns, 10,001: %lu ns\n", (unsigned long)a, (unsigned long)b);
	assert_true(b < 3 * a + 1000);
	(void)selectors_free(few);
	(void)selectors_free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgroups),
		cmocka_unit_test(relative_cgroups_begin_where_the_hooks_are),
		cmocka_unit_test(units),
		cmocka_unit_test(containers),
		cmocka_unit_test(images_and_labels),
		cmocka_unit_test(an_engine_in_trouble_leaves_doubt),
		cmocka_unit_test(users_and_run),
		cmocka_unit_test(all_members_of_one_entry_must_hold),
		cmocka_unit_test(the_first_in_the_document_comes_first),
		cmocka_unit_test(only_the_first_matches_are_kept),
		cmocka_unit_test(paths_too_deep_are_not_searched_for_ever),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(too_many_patterns_are_refused),
		cmocka_unit_test(ten_thousand_workloads_cost_as_ten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

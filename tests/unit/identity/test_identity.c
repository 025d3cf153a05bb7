/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way from a flow record to a principal, with real cgroups and processes. Needs root. */
#include "child.h"
#include "load.h"

#include "base/digest.h"
#include "identity/identity.h"

static char top[256], in_run[300], in_a[300], in_b[300], dir[64], agent[96];
static struct loop *loop;

static int make(void **state)
{
	char path[300];

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/egret-identity-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(agent, sizeof(agent), "%s/agent", dir);
	file_copy("/bin/cat", agent, "");
	cgroup_make(top, sizeof(top));
	cgroup_below(top, "egret", path, sizeof(path));
	cgroup_below(top, "egret/run", path, sizeof(path));
	cgroup_below(top, "egret/run/agent", path, sizeof(path));
	cgroup_below(top, "egret/run/agent/1", in_run, sizeof(in_run));
	cgroup_below(top, "a.service", in_a, sizeof(in_a));
	cgroup_below(top, "b.service", in_b, sizeof(in_b));
	loop = loop_new();
	return loop ? 0 : -1;
}

static int clean(void **state)
{
	(void)state;
	(void)loop_free(loop);
	(void)unlink(agent);
	cgroup_remove(top);
	return rmdir(dir);
}

static struct identity *identity_make(uint64_t hash_bytes_max)
{
	struct identity_opts o = {
		.cgroup = top,
		.cgroup_run = "egret/run",
		.proc = "/proc",
		.hash_bytes_max = hash_bytes_max,
	};
	struct identity *id;

	assert_int_equal(identity_new(loop, &o, &id), 0);
	return id;
}

struct told {
	int calls;
	bool wait;
	struct eg_principal p;
};

static void on_principal(void *ctx, const struct eg_principal *p)
{
	struct told *t = ctx;

	t->calls++;
	t->p = *p;
	if (t->wait)
		loop_stop(loop);
}

static struct eg_principal attest(struct identity *id, const struct eg_flow *flow)
{
	struct told t = { 0 };

	identity_attest(id, flow, on_principal, &t);
	if (!t.calls) {
		t.wait = true;
		loop_run(loop);
	}
	assert_int_equal(t.calls, 1);
	return t.p;
}

/* A process of `path` in a cgroup, and its record. */
static struct child start(struct identity *id, const char *path, const char *cgroup,
			  struct eg_flow *ret)
{
	struct child c = child_start(path, NULL);

	cgroup_enter(cgroup, c.pid);
	assert_int_equal(identity_flow_of(id, c.pid, ret), 0);
	return c;
}

static void sha256_of(const char *path, char hex[65])
{
	static char data[8u << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t sum[DIGEST_SIZE];
	struct digest *d;
	ssize_t n = read(fd, data, sizeof(data));

	assert_true(n > 0);
	(void)close(fd);
	assert_int_equal(digest_new(&d), 0);
	assert_int_equal(digest_update(d, slice_of(data, (size_t)n)), 0);
	assert_int_equal(digest_final(d, sum), 0);
	(void)digest_free(d);
	digest_hex(sum, sizeof(sum), hex);
}

#define ASSERT_WHO(p, n, r)                                                                        \
	do {                                                                                       \
		struct eg_principal _p = (p);                                                      \
		assert_string_equal(_p.name, n);                                                   \
		assert_int_equal(_p.reason, EG_REASON_##r);                                        \
		assert_int_equal(_p.workload == 0, strcmp(n, "unknown") == 0);                     \
	} while (0)

static void who_is_run_is_its_workload(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct eg_principal p;
	struct eg_flow f;
	struct child c = start(id, "/bin/cat", in_run, &f);

	(void)state;
	ASSERT_WHO(attest(id, &f), "unknown", unknown_workload); /* no policy yet */
	assert_int_equal(identity_load_text(id,
					    "\"other\":{\"match\":[{\"run\":true}]},"
					    "\"agent\":{\"match\":[{\"run\":true}]}",
					    7),
			 0);
	p = attest(id, &f);
	ASSERT_WHO(p, "agent", allowed);
	assert_int_equal(p.workload, 2);
	assert_int_equal(p.generation, 7);
	assert_int_equal(p.pid, c.pid);
	assert_int_equal(p.start_ns, f.start_ns);
	assert_int_equal(p.cgroup, f.cgroup);
	assert_string_equal(p.user, "root");
	assert_non_null(strstr(p.exe, "/bin/cat"));
	assert_non_null(strstr(p.cgroup_path, "/egret/run/agent/1"));
	assert_string_equal(identity_match_text(id, 2), "[{\"run\":true}]");
	assert_string_equal(identity_match_text(id, 0), "");
	assert_string_equal(identity_match_text(id, 3), "");
	child_end(&c);
	(void)identity_free(id);
}

static void the_record_outlives_the_process(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct eg_principal p;
	struct eg_flow f;
	struct child c = start(id, "/bin/cat", in_run, &f);

	(void)state;
	assert_int_equal(identity_load_text(id, "\"agent\":{\"match\":[{\"run\":true}]}", 1), 0);
	child_end(&c);
	p = attest(id, &f);
	ASSERT_WHO(p, "agent", allowed);
	assert_string_equal(p.exe, "");
	assert_int_equal(p.has_hash, 0);
	/* But a workload that demands a program does not match on doubt. */
	assert_int_equal(
		identity_load_text(
			id, "\"agent\":{\"match\":[{\"run\":true}],\"exe\":[{\"path\":\"/**\"}]}",
			2),
		0);
	ASSERT_WHO(attest(id, &f), "unknown", exe_mismatch);
	(void)identity_free(id);
}

static void another_process_of_that_number_is_another(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct eg_principal p;
	struct eg_flow f;
	struct child c = start(id, agent, in_run, &f);
	char workloads[300];

	(void)state;
	(void)snprintf(workloads, sizeof(workloads),
		       "\"agent\":{\"match\":[{\"run\":true}],\"exe\":[{\"path\":\"%s\"}]}", agent);
	assert_int_equal(identity_load_text(id, workloads, 1), 0);
	ASSERT_WHO(attest(id, &f), "agent", allowed);
	f.start_ns += 20000000;
	p = attest(id, &f);
	ASSERT_WHO(p, "unknown", exe_mismatch);
	assert_string_equal(p.exe, "");
	child_end(&c);
	(void)identity_free(id);
}

static void a_hash_pins_the_content(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct eg_principal p;
	struct eg_flow f;
	struct child c = start(id, agent, in_run, &f);
	char workloads[400], hex[65];

	(void)state;
	sha256_of(agent, hex);
	(void)snprintf(workloads, sizeof(workloads),
		       "\"agent\":{\"match\":[{\"run\":true}],\"exe\":[{\"path\":\"%s\",\"sha256\":"
		       "\"%s\"}]}",
		       agent, hex);
	assert_int_equal(identity_load_text(id, workloads, 1), 0);
	for (int i = 0; i < 2; i++) {
		char got[65];

		p = attest(id, &f);
		ASSERT_WHO(p, "agent", allowed);
		assert_int_equal(p.has_hash, 1);
		digest_hex(p.exe_sha256, sizeof(p.exe_sha256), got);
		assert_string_equal(got, hex);
	}
	hex[0] = hex[0] == '0' ? '1' : '0';
	(void)snprintf(workloads, sizeof(workloads),
		       "\"agent\":{\"match\":[{\"run\":true}],\"exe\":[{\"sha256\":\"%s\"}]},"
		       "\"rest\":{\"match\":[{\"cgroup\":\"/**\"}]}",
		       hex);
	assert_int_equal(identity_load_text(id, workloads, 2), 0);
	ASSERT_WHO(attest(id, &f), "rest", allowed); /* the next that matches */
	child_end(&c);
	(void)identity_free(id);
}

static void a_replaced_program_is_refused(void **state)
{
	struct identity *id = identity_make(1u << 30);
	char workloads[400], hex[65];
	struct eg_flow f;
	struct child c;

	(void)state;
	sha256_of(agent, hex);
	(void)snprintf(workloads, sizeof(workloads),
		       "\"agent\":{\"match\":[{\"run\":true}],\"exe\":[{\"path\":\"%s\"}]},"
		       "\"pinned\":{\"match\":[{\"unit\":\"a.service\"}],"
		       "\"exe\":[{\"path\":\"%s\",\"sha256\":\"%s\"}]}",
		       agent, agent, hex);
	assert_int_equal(identity_load_text(id, workloads, 1), 0);
	/* The file at the path is another one by now. */
	c = start(id, agent, in_run, &f);
	assert_int_equal(unlink(agent), 0);
	file_copy("/bin/cat", agent, "evil");
	ASSERT_WHO(attest(id, &f), "unknown", exe_mismatch);
	child_end(&c);
	/* The new one, where the old one's content is demanded. */
	c = start(id, agent, in_a, &f);
	ASSERT_WHO(attest(id, &f), "unknown", exe_mismatch);
	child_end(&c);
	assert_int_equal(unlink(agent), 0);
	file_copy("/bin/cat", agent, "");
	c = start(id, agent, in_a, &f);
	ASSERT_WHO(attest(id, &f), "pinned", allowed);
	/* Deleted while it runs: its path is not the one that policy names any more. */
	assert_int_equal(unlink(agent), 0);
	ASSERT_WHO(attest(id, &f), "unknown", exe_mismatch);
	file_copy("/bin/cat", agent, "");
	child_end(&c);
	(void)identity_free(id);
}

static void a_script_is_its_interpreter(void **state)
{
	static const char text[] = "#!/bin/cat -\n";
	struct identity *id = identity_make(1u << 30);
	char script[128], workloads[300];
	struct eg_principal p;
	struct eg_flow f;
	struct child c;
	int fd;

	(void)state;
	(void)snprintf(script, sizeof(script), "%s/script", dir);
	fd = open(script, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
	c = start(id, script, in_run, &f);
	(void)snprintf(workloads, sizeof(workloads),
		       "\"agent\":{\"match\":[{\"run\":true}],\"exe\":[{\"path\":\"%s\"}]}",
		       script);
	assert_int_equal(identity_load_text(id, workloads, 1), 0);
	p = attest(id, &f);
	ASSERT_WHO(p, "unknown", exe_mismatch);
	assert_non_null(strstr(p.exe, "/bin/cat"));
	child_end(&c);
	assert_int_equal(unlink(script), 0);
	(void)identity_free(id);
}

static void a_program_too_large_is_not_read(void **state)
{
	struct identity *id = identity_make(1000);
	char workloads[300], hex[65];
	struct eg_flow f;
	struct child c = start(id, agent, in_run, &f);

	(void)state;
	sha256_of(agent, hex);
	(void)snprintf(workloads, sizeof(workloads),
		       "\"agent\":{\"match\":[{\"run\":true}],\"exe\":[{\"sha256\":\"%s\"}]}", hex);
	assert_int_equal(identity_load_text(id, workloads, 1), 0);
	ASSERT_WHO(attest(id, &f), "unknown", exe_mismatch);
	child_end(&c);
	(void)identity_free(id);
}

struct turns {
	struct idle idle;
	int left;
};

static void on_turn(struct idle *w)
{
	struct turns *t = container_of(w, struct turns, idle);

	if (--t->left)
		return;
	idle_disarm(w);
	loop_stop(loop);
}

static void hashes_of_the_others_come_for_the_record(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct turns turns = { .left = 100 };
	struct eg_principal p;
	struct eg_flow f;
	struct child c = start(id, "/bin/cat", in_run, &f);
	struct told t = { 0 };

	(void)state;
	assert_int_equal(identity_load_text(id, "\"agent\":{\"match\":[{\"run\":true}]}", 1), 0);
	identity_attest(id, &f, on_principal, &t);
	assert_int_equal(t.calls, 1); /* nobody waits for it */
	assert_int_equal(t.p.has_hash, 0);
	idle_arm(&turns.idle, loop, on_turn);
	loop_run(loop);
	assert_int_equal(t.calls, 1);
	child_end(&c);
	c = start(id, "/bin/cat", in_run, &f);
	p = attest(id, &f);
	ASSERT_WHO(p, "agent", allowed);
	assert_int_equal(p.has_hash, 1);
	child_end(&c);
	(void)identity_free(id);
}

static void a_policy_may_change_while_a_program_is_read(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct told t = { .wait = true };
	char workloads[300], hex[65];
	struct eg_flow f;
	struct child c = start(id, agent, in_run, &f);

	(void)state;
	sha256_of(agent, hex);
	(void)snprintf(workloads, sizeof(workloads),
		       "\"agent\":{\"match\":[{\"run\":true}],\"exe\":[{\"sha256\":\"%s\"}]}", hex);
	assert_int_equal(identity_load_text(id, workloads, 1), 0);
	identity_attest(id, &f, on_principal, &t);
	assert_int_equal(t.calls, 0);
	assert_int_equal(
		identity_load_text(
			id,
			"\"b\":{\"match\":[{\"user\":0}]},\"agent\":{\"match\":[{\"run\":true}]}",
			2),
		0);
	loop_run(loop);
	ASSERT_WHO(t.p, "b", allowed);
	assert_int_equal(t.p.generation, 2);
	child_end(&c);
	(void)identity_free(id);
}

static void who_waits_is_answered_at_the_end(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct told t[3] = { 0 };
	struct eg_flow f;
	struct child c = start(id, agent, in_run, &f);

	(void)state;
	assert_int_equal(identity_load_text(
				 id,
				 "\"agent\":{\"match\":[{\"run\":true}],\"exe\":[{\"sha256\":\""
				 "0000000000000000000000000000000000000000000000000000000000000000"
				 "\"}]}",
				 1),
			 0);
	for (int i = 0; i < 3; i++)
		identity_attest(id, &f, on_principal, &t[i]);
	(void)identity_free(id);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(t[i].calls, 1);
		assert_int_equal(t[i].p.workload, 0);
	}
	child_end(&c);
}

static void two_cgroups_must_be_one_workload(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct eg_flow f, other;
	struct child c = start(id, "/bin/cat", in_a, &f), d = start(id, "/bin/cat", in_b, &other);

	(void)state;
	f.sk_cgroup = other.cgroup;
	f.flags |= EG_FLOW_CGROUP_DIFFERS;
	assert_int_equal(identity_load_text(id,
					    "\"a\":{\"match\":[{\"unit\":\"a.service\"}]},"
					    "\"b\":{\"match\":[{\"unit\":\"b.service\"}]}",
					    1),
			 0);
	ASSERT_WHO(attest(id, &f), "unknown", identity_unavailable);
	ASSERT_WHO(attest(id, &other), "b", allowed);
	/* The socket's maker belongs to none, or cannot be found. */
	assert_int_equal(identity_load_text(id, "\"a\":{\"match\":[{\"unit\":\"a.service\"}]}", 2),
			 0);
	ASSERT_WHO(attest(id, &f), "unknown", identity_unavailable);
	f.sk_cgroup = UINT64_MAX;
	ASSERT_WHO(attest(id, &f), "unknown", identity_unavailable);
	f.sk_cgroup = other.cgroup;
	/* The caller belongs to none: the maker's workload is not lent to it. */
	assert_int_equal(identity_load_text(id, "\"b\":{\"match\":[{\"unit\":\"b.service\"}]}", 3),
			 0);
	ASSERT_WHO(attest(id, &f), "unknown", unknown_workload);
	assert_int_equal(
		identity_load_text(id, "\"both\":{\"match\":[{\"unit\":\"?.service\"}]}", 4), 0);
	ASSERT_WHO(attest(id, &f), "both", allowed);
	child_end(&c);
	child_end(&d);
	(void)identity_free(id);
}

static void what_cannot_be_known_is_unknown(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct eg_flow f;
	struct child c = start(id, "/bin/cat", in_a, &f);

	(void)state;
	assert_int_equal(identity_load_text(id, "\"all\":{\"match\":[{\"user\":0}]}", 1), 0);
	ASSERT_WHO(attest(id, &f), "all", allowed);
	f.flags |= EG_FLOW_KTHREAD;
	ASSERT_WHO(attest(id, &f), "unknown", identity_unavailable);
	f.flags = 0;
	f.cgroup = UINT64_MAX;
	ASSERT_WHO(attest(id, &f), "unknown", identity_unavailable);
	child_end(&c);
	assert_int_equal(identity_flow_of(id, c.pid, &f), -ESRCH);
	assert_int_equal(identity_flow_of(id, 0, &f), -ESRCH);
	(void)identity_free(id);
}

static void the_users_of_the_record_count(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct eg_flow f;
	struct child c = start(id, "/bin/cat", in_a, &f);

	(void)state;
	assert_int_equal(
		identity_load_text(
			id,
			"\"u\":{\"match\":[{\"user\":4242}]},\"g\":{\"match\":[{\"group\":4343}]}",
			1),
		0);
	ASSERT_WHO(attest(id, &f), "unknown", unknown_workload);
	f.uid = 4242;
	ASSERT_WHO(attest(id, &f), "u", allowed);
	assert_string_equal(attest(id, &f).user, ""); /* no name */
	f.uid = 0;
	f.gid = 4343;
	ASSERT_WHO(attest(id, &f), "g", allowed);
	child_end(&c);
	(void)identity_free(id);
}

static void forged_names_are_shown_safely(void **state)
{
	static const char *const names[] = { "\x1b[31mred", "\xff\xfe.service", "*", "a?b",
					     "docker-x.scope (deleted)" };
	struct identity *id = identity_make(1u << 30);

	(void)state;
	assert_int_equal(identity_load_text(id, "\"agent\":{\"match\":[{\"run\":true}]}", 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct eg_principal p;
		struct eg_flow f;
		struct child c;
		char path[512];

		cgroup_below(top, names[i], path, sizeof(path));
		c = start(id, "/bin/cat", path, &f);
		p = attest(id, &f);
		ASSERT_WHO(p, "unknown", unknown_workload);
		for (const char *at = p.cgroup_path; *at; at++)
			assert_true(*at >= 0x20 && *at < 0x7f);
		child_end(&c);
	}
	(void)identity_free(id);
}

static void long_paths_are_cut_not_overrun(void **state)
{
	struct identity *id = identity_make(1u << 30);
	char path[2048], name[201];
	struct eg_principal p;
	struct eg_flow f;
	struct child c;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cgroup_below(top, name, path, sizeof(path));
	for (int i = 0; i < 4; i++) {
		size_t n = strlen(path);

		(void)snprintf(path + n, sizeof(path) - n, "/%s", name);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	/* Longer than the principal has room for, and matched whole all the same. */
	assert_int_equal(identity_load_text(
				 id, "\"deep\":{\"match\":[{\"cgroup\":\"**/n*/n*/n*/n*n\"}]}", 1),
			 0);
	c = start(id, "/bin/cat", path, &f);
	p = attest(id, &f);
	ASSERT_WHO(p, "deep", allowed);
	assert_int_equal(strlen(p.cgroup_path), sizeof(p.cgroup_path) - 1);
	child_end(&c);
	(void)identity_free(id);
}

static void a_bad_policy_leaves_the_old_one(void **state)
{
	struct identity *id = identity_make(1u << 30);
	struct eg_flow f;
	struct child c = start(id, "/bin/cat", in_run, &f);
	struct eg_principal p;

	(void)state;
	assert_int_equal(identity_load_text(id, "\"agent\":{\"match\":[{\"run\":true}]}", 1), 0);
	assert_int_equal(identity_load_text(id, "\"agent\":{\"match\":[{\"runs\":true}]}", 2),
			 -EINVAL);
	p = attest(id, &f);
	ASSERT_WHO(p, "agent", allowed);
	assert_int_equal(p.generation, 1);
	child_end(&c);
	(void)identity_free(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_run_is_its_workload),
		cmocka_unit_test(the_record_outlives_the_process),
		cmocka_unit_test(another_process_of_that_number_is_another),
		cmocka_unit_test(a_hash_pins_the_content),
		cmocka_unit_test(a_replaced_program_is_refused),
		cmocka_unit_test(a_script_is_its_interpreter),
		cmocka_unit_test(a_program_too_large_is_not_read),
		cmocka_unit_test(hashes_of_the_others_come_for_the_record),
		cmocka_unit_test(a_policy_may_change_while_a_program_is_read),
		cmocka_unit_test(who_waits_is_answered_at_the_end),
		cmocka_unit_test(two_cgroups_must_be_one_workload),
		cmocka_unit_test(what_cannot_be_known_is_unknown),
		cmocka_unit_test(the_users_of_the_record_count),
		cmocka_unit_test(forged_names_are_shown_safely),
		cmocka_unit_test(long_paths_are_cut_not_overrun),
		cmocka_unit_test(a_bad_policy_leaves_the_old_one),
	};

	return cmocka_run_group_tests(tests, make, clean);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: what is taken for one, who gets it, what is shown of it, where it is in memory. */
#include "pki.h"

#include <fcntl.h>
#include <signal.h>

#include "event/loop.h"
#include "vault/key_read.h"
#include "vault/keys.h"
#include "vault/lease.h"
#include "vault/tickets.h"

static const uint8_t fingerprint_key[32] = { 1, 2, 3 };

static struct secret secret_of(const char *text, size_t n)
{
	struct secret s = { 0 };

	assert_int_equal(secret_new(KEYS_VALUE_MAX + 3, &s), 0);
	assert_int_equal(secret_append(&s, text, n), 0);
	return s;
}

static struct eg_credential credential(const char *id, const char *provider)
{
	struct eg_credential c = { 0 };

	(void)slice_copy(slice_str(id), c.id, sizeof(c.id));
	(void)slice_copy(slice_str(provider), c.provider, sizeof(c.provider));
	return c;
}

static bool put(struct keys *k, const char *id, const char *provider, const char *value)
{
	struct eg_credential c = credential(id, provider);
	struct secret s = secret_of(value, strlen(value));
	const struct key *key = NULL;
	bool changed = false;

	assert_int_equal(keys_put(k, &c, &s, &key, &changed), 0);
	assert_null(s.p);
	assert_true(slice_eq(secret_slice(&key->value), slice_str(value)));
	return changed;
}

static int set_up(void **state)
{
	struct keys *k = NULL;

	assert_int_equal(keys_new(fingerprint_key, &k), 0);
	*state = k;
	return 0;
}

static int tear_down(void **state)
{
	(void)keys_free(*state);
	return 0;
}

static void trimming(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		int error;
		size_t left;
	} cases[] = {
		{ "sk-1\n", 5, 0, 4 },
		{ "sk-1\r\n", 6, 0, 4 },
		{ "sk-1", 4, 0, 4 },
		{ "", 0, -ENODATA, 0 },
		{ "\n", 1, -ENODATA, 0 },
		{ "\r\n", 2, -ENODATA, 0 },
		{ "sk 1", 4, -EILSEQ, 0 },
		{ "sk\n1", 4, -EILSEQ, 0 },
		{ "sk\0", 3, -EILSEQ, 0 },
		{ " sk", 3, -EILSEQ, 0 },
		{ "sk\n\n", 4, -EILSEQ, 0 },
		{ "sk\x7f", 3, -EILSEQ, 0 },
		{ "s\xc3\xa9", 3, -EILSEQ, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct secret s = secret_of(cases[i].text, cases[i].n);

		assert_int_equal(keys_trim(&s), cases[i].error);
		if (cases[i].error == 0)
			assert_int_equal(s.n, cases[i].left);
		secret_free(&s);
	}
}

static void lookups_go_by_id_and_provider(void **state)
{
	struct keys *k = *state;

	(void)put(k, "openai", "openai", "sk-default");
	(void)put(k, "openai-research", "openai", "sk-research");
	(void)put(k, "anthropic", "anthropic", "sk-ant");
	assert_string_equal(keys_find(k, "", "openai")->id, "openai");
	assert_string_equal(keys_find(k, "openai-research", "openai")->id, "openai-research");
	assert_null(keys_find(k, "", "mistral"));
	assert_null(keys_find(k, "nobody", "openai"));
	/* A key of another provider, whatever the rule says. */
	assert_null(keys_find(k, "openai-research", "anthropic"));
	assert_null(keys_find(k, "anthropic", "openai"));
}

static void only_a_change_revokes(void **state)
{
	struct keys *k = *state;
	uint32_t before;

	assert_false(put(k, "a", "openai", "sk-one"));
	before = keys_generation(k);
	assert_false(put(k, "a", "openai", "sk-one"));
	assert_int_equal(keys_generation(k), before);
	assert_true(put(k, "a", "openai", "sk-two"));
	assert_int_equal(keys_generation(k), before + 1);
	assert_true(put(k, "a", "mistral", "sk-two"));
	assert_null(keys_find(k, "a", "openai"));
	assert_true(keys_drop(k, "a"));
	assert_false(keys_drop(k, "a"));
	assert_int_equal(keys_generation(k), before + 3);
	assert_null(keys_find(k, "a", "mistral"));
}

static void what_is_shown_tells_nothing(void **state)
{
	struct keys *k = *state, *other = NULL;
	static const uint8_t other_key[32] = { 9 };

	(void)put(k, "short", "p", "123456789012345");
	(void)put(k, "long", "p", "sk-1234567890abcd");
	(void)put(k, "same", "p", "sk-1234567890abcd");
	assert_string_equal(keys_find(k, "short", "p")->last4, "");
	assert_string_equal(keys_find(k, "long", "p")->last4, "abcd");
	assert_int_equal(strlen(keys_find(k, "long", "p")->fingerprint), 16);
	assert_string_equal(keys_find(k, "long", "p")->fingerprint,
			    keys_find(k, "same", "p")->fingerprint);
	assert_int_equal(keys_new(other_key, &other), 0);
	(void)put(other, "long", "p", "sk-1234567890abcd");
	assert_string_not_equal(keys_find(k, "long", "p")->fingerprint,
				keys_find(other, "long", "p")->fingerprint);
	(void)keys_free(other);
}

static void unreadable_source_keeps_the_old_value(void **state)
{
	struct keys *k = *state;
	struct eg_credential a = credential("a", "p"), b = credential("b", "p");

	(void)put(k, "a", "p", "sk-1");
	assert_int_equal(keys_fail(k, &a, -EACCES), 0);
	assert_int_equal(keys_find(k, "a", "p")->error, 0);
	assert_int_equal(keys_fail(k, &b, -EACCES), 0);
	assert_int_equal(keys_find(k, "b", "p")->error, -EACCES);
	assert_false(put(k, "b", "p", "sk-2"));
	assert_int_equal(keys_find(k, "b", "p")->error, 0);
}

static void table_is_bounded(void **state)
{
	struct keys *k = *state;
	struct eg_credential c;
	struct secret s = secret_of("sk", 2);
	const struct key *key;
	bool changed;
	char id[16];

	for (unsigned i = 0; i < KEYS_MAX; i++) {
		(void)snprintf(id, sizeof(id), "k%u", i);
		c = credential(id, "p");
		assert_int_equal(keys_fail(k, &c, -EIO), 0);
	}
	c = credential("more", "p");
	assert_int_equal(keys_put(k, &c, &s, &key, &changed), -ENOSPC);
	assert_null(s.p); /* zeroed all the same */
	memset(c.id, 'x', sizeof(c.id));
	assert_int_equal(keys_fail(k, &c, -EIO), -EINVAL);
}

/* ---- leases ---- */

static struct eg_lease lease(const char *id, const char *provider, const char *workload)
{
	struct eg_lease q = { 0 };

	(void)slice_copy(slice_str(id), q.credential, sizeof(q.credential));
	(void)slice_copy(slice_str(provider), q.provider, sizeof(q.provider));
	(void)slice_copy(slice_str(workload), q.workload, sizeof(q.workload));
	return q;
}

static void leases_are_granted_and_counted(void **state)
{
	struct keys *k = *state;
	struct eg_credential broken = credential("broken", "p");
	struct leases *l = NULL;
	struct eg_leased a;
	struct eg_lease q;
	struct slice value;
	bool first;

	(void)put(k, "p", "p", "sk-1");
	assert_int_equal(keys_fail(k, &broken, -EACCES), 0);
	assert_int_equal(leases_new(1234, &l), 0);
	for (unsigned i = 0; i < 3; i++) {
		q = lease("", "p", "agents");
		leases_grant(l, k, &q, &a, &value, &first);
		assert_int_equal(a.status, 0);
		assert_int_equal(a.n, 4);
		assert_int_equal(a.ttl_ms, 1234);
		assert_true(slice_eq(value, SLICE("sk-1")));
		assert_int_equal(first, i == 0);
	}
	assert_int_equal(leases_count(l, "p", "agents"), 3);
	assert_int_equal(leases_count(l, "p", "others"), 0);
	q = lease("nobody", "p", "agents");
	leases_grant(l, k, &q, &a, &value, &first);
	assert_int_equal(a.status, ENOENT);
	assert_int_equal(value.n, 0);
	q = lease("broken", "p", "agents");
	leases_grant(l, k, &q, &a, &value, &first);
	assert_int_equal(a.status, EIO);
	memset(q.workload, 'w', sizeof(q.workload));
	leases_grant(l, k, &q, &a, &value, &first);
	assert_int_equal(a.status, EINVAL);
	(void)leases_free(l);
}

/* A lease given after a revocation must not be older than it, also for keys that did not change. */
static void lease_is_as_new_as_the_last_change(void **state)
{
	struct keys *k = *state;
	struct leases *l = NULL;
	struct eg_leased a;
	struct eg_lease q = lease("b", "p", "agents");
	struct slice value;
	bool first;

	(void)put(k, "b", "p", "sk-b");
	(void)put(k, "a", "p", "sk-a");
	assert_true(put(k, "a", "p", "sk-a2"));
	assert_int_equal(leases_new(1000, &l), 0);
	leases_grant(l, k, &q, &a, &value, &first);
	assert_int_equal(a.generation, keys_generation(k));
	(void)leases_free(l);
}

static void invented_workloads_are_bounded(void **state)
{
	struct keys *k = *state;
	struct leases *l = NULL;
	struct eg_leased a;
	struct slice value;
	unsigned notes = 0;
	char name[32];
	bool first;

	(void)put(k, "p", "p", "sk-1");
	assert_int_equal(leases_new(1000, &l), 0);
	for (unsigned i = 0; i < 2 * LEASE_PAIRS_MAX; i++) {
		struct eg_lease q;

		(void)snprintf(name, sizeof(name), "w%u", i);
		q = lease("", "p", name);
		leases_grant(l, k, &q, &a, &value, &first);
		assert_int_equal(a.status, 0);
		notes += first;
	}
	assert_int_equal(notes, LEASE_PAIRS_MAX);
	(void)leases_free(l);
}

/* ---- reading ---- */

struct got {
	struct loop *loop;
	int error;
	char text[64];
	unsigned calls;
};

static void on_read(void *ctx, int error, struct secret *value)
{
	struct got *g = ctx;

	g->error = error;
	g->calls++;
	if (error == 0)
		(void)slice_copy(secret_slice(value), g->text, sizeof(g->text));
	loop_stop(g->loop);
}

static int read_from(int fd, struct got *g)
{
	struct key_read *kr = NULL;

	*g = (struct got){ .loop = loop_new() };
	assert_int_equal(key_read_start(g->loop, fd, on_read, g, &kr), 0);
	loop_run(g->loop);
	assert_int_equal(g->calls, 1);
	(void)loop_free(g->loop);
	return g->error;
}

static void reading_files_and_pipes(void **state)
{
	char big[KEYS_VALUE_MAX + 8];
	struct got g;
	int fd = temp_file(), ends[2];

	(void)state;
	assert_int_equal(pwrite(fd, "sk-file\n", 8, 0), 8);
	assert_int_equal(read_from(fd, &g), 0);
	assert_string_equal(g.text, "sk-file");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "sk-pipe", 7), 7);
	(void)close(ends[1]);
	assert_int_equal(read_from(ends[0], &g), 0);
	assert_string_equal(g.text, "sk-pipe");
	memset(big, 'k', sizeof(big));
	fd = temp_file();
	assert_int_equal(pwrite(fd, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(read_from(fd, &g), -EMSGSIZE);
	fd = temp_file();
	assert_int_equal(read_from(fd, &g), -ENODATA);
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(read_from(fd, &g), -EISDIR);
	fd = temp_file();
	assert_int_equal(pwrite(fd, big, KEYS_VALUE_MAX, 0), KEYS_VALUE_MAX);
	assert_int_equal(read_from(fd, &g), 0);
}

static void cancelled_reading_does_not_call_back(void **state)
{
	struct got g = { .loop = loop_new() };
	struct key_read *kr = NULL;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(key_read_start(g.loop, ends[0], on_read, &g, &kr), 0);
	(void)key_read_cancel(kr);
	assert_int_equal(g.calls, 0);
	assert_int_equal(write(ends[1], "x", 1) < 0 ? errno : 0, EPIPE);
	(void)close(ends[1]);
	(void)loop_free(g.loop);
}

/* ---- tickets ---- */

static void ticket_keys_rotate(void **state)
{
	const uint64_t hour = 3600ull * 1000000;
	const struct eg_tickets *k = NULL;
	struct eg_tickets a, b, c;
	struct tickets t;

	(void)state;
	assert_int_equal(tickets_init(&t, hour), 0);
	assert_int_equal(tickets_get(&t, hour, &k), 0);
	a = *k;
	assert_memory_not_equal(a.key, a.previous, sizeof(a.key));
	assert_int_equal(tickets_get(&t, 12 * hour, &k), 0);
	assert_memory_equal(k, &a, sizeof(a));
	assert_int_equal(tickets_get(&t, 14 * hour, &k), 0);
	b = *k;
	assert_memory_equal(b.previous, a.key, sizeof(a.key));
	assert_memory_not_equal(b.key, a.key, sizeof(a.key));
	/* Asked again only after two periods: neither old key opens anything. */
	assert_int_equal(tickets_get(&t, 50 * hour, &k), 0);
	c = *k;
	assert_memory_not_equal(c.previous, b.key, sizeof(a.key));
	assert_memory_not_equal(c.previous, b.previous, sizeof(a.key));
	tickets_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(trimming),
		T(lookups_go_by_id_and_provider),
		T(only_a_change_revokes),
		T(what_is_shown_tells_nothing),
		T(unreadable_source_keeps_the_old_value),
		T(table_is_bounded),
		T(leases_are_granted_and_counted),
		T(lease_is_as_new_as_the_last_change),
		T(invented_workloads_are_bounded),
		T(reading_files_and_pipes),
		T(cancelled_reading_does_not_call_back),
		T(ticket_keys_rotate),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

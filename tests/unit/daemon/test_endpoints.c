/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of governed names: kept long enough, kept across restarts, never from elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/endpoints.h"
#include "daemon/endpoints_private.h"
#include "daemon/warnings.h"

#define HOUR ENDPOINTS_KEEP_US
#define T0   (1000 * HOUR)
#define HOST "api.openai.com"

struct fixture {
	char dir[64], file[96];
	struct loop *loop;
	struct warnings *warnings;
	struct edition *edition;
	struct endpoints *e;
};

static void start(struct fixture *f)
{
	struct endpoints_opts o = { .loop = f->loop, .warnings = f->warnings, .file = f->file };
	struct diag d = { 0 };

	assert_int_equal(endpoints_new(&o, &f->e), 0);
	assert_int_equal(endpoints_read(f->e, &d), 0);
	assert_int_equal(endpoints_apply(f->e, f->edition, &d), 0);
}

static int set_up(void **state)
{
	static const struct config_list none;
	const struct edition_from from = { .catalogue = &none, .policy = "/nonexistent" };
	struct fixture *f = calloc(1, sizeof(*f));
	struct diag d = { 0 };

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/egret-test-endpoints-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->file, sizeof(f->file), "%s/endpoints.json", f->dir);
	f->loop = loop_new();
	f->warnings = warnings_new();
	if (edition_new(&from, 1, &d, &f->edition) < 0)
		fail_msg("%s: %s", d.file, d.text);
	start(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	(void)endpoints_free(f->e);
	(void)edition_free(f->edition);
	(void)warnings_free(f->warnings);
	(void)loop_free(f->loop);
	(void)unlink(f->file);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct eg_addr addr(unsigned n)
{
	return (struct eg_addr){ { 0, 0, htonl(0xffff), htonl(0xc6336400u + n) } };
}

static void resolve(struct fixture *f, const char *host, unsigned first, unsigned n, uint64_t at)
{
	struct eg_resolved r = { .n = n, .provider = 999, .ttl_s = 60 };

	(void)snprintf(r.host, sizeof(r.host), "%s", host);
	for (unsigned i = 0; i < n && i < EG_RESOLVED_ADDRS; i++)
		r.addr[i] = addr(first + i);
	endpoints_resolved(f->e, &r, at);
}

static size_t known(const struct fixture *f, const char *host)
{
	const struct name *n = endpoints_find_name(f->e, host);

	return n ? n->n : 0;
}

static void every_name_counts_as_tried_once_it_was(void **state)
{
	struct fixture *f = *state;
	size_t names = endpoints_names(f->e);
	json_t *left;

	assert_true(names > 50);
	assert_int_equal(endpoints_tried(f->e), 0);
	resolve(f, HOST, 1, 0, T0);
	assert_int_equal(endpoints_tried(f->e), 1);
	resolve(f, HOST, 1, 2, T0);
	assert_int_equal(endpoints_tried(f->e), 1);
	left = endpoints_unresolved(f->e);
	assert_int_equal(json_array_size(left), names - 1);
	json_decref(left);
}

static void a_worker_cannot_add_names_or_choose_providers(void **state)
{
	struct fixture *f = *state;
	const struct name *n;

	resolve(f, "bank.example", 1, 3, T0);
	assert_null(endpoints_find_name(f->e, "bank.example"));
	resolve(f, HOST, 1, 1, T0);
	n = endpoints_find_name(f->e, HOST);
	assert_true(n->provider < catalogue_providers(f->edition->catalogue));
	assert_int_equal(catalogue_find_host(f->edition->catalogue, SLICE(HOST)), n->provider);
}

static void a_lying_count_is_ignored(void **state)
{
	struct fixture *f = *state;
	struct eg_resolved r = { .n = EG_RESOLVED_ADDRS + 1 };

	memset(r.host, 'x', sizeof(r.host)); /* and no end to its name */
	endpoints_resolved(f->e, &r, T0);
	memset(r.host, 0, sizeof(r.host));
	(void)snprintf(r.host, sizeof(r.host), HOST);
	endpoints_resolved(f->e, &r, T0);
	assert_int_equal(known(f, HOST), 0);
}

static void an_address_outlives_its_last_answer_by_an_hour(void **state)
{
	struct fixture *f = *state;

	resolve(f, HOST, 1, 2, T0);
	resolve(f, HOST, 2, 2, T0 + HOUR / 2); /* 1 has gone, 3 has come */
	assert_int_equal(known(f, HOST), 3);
	resolve(f, HOST, 2, 2, T0 + HOUR - 1);
	assert_int_equal(endpoints_expire(f->e, T0 + HOUR - 1), 0);
	resolve(f, HOST, 2, 2, T0 + HOUR + 1);
	assert_int_equal(endpoints_expire(f->e, T0 + HOUR + 1), 1);
	assert_int_equal(known(f, HOST), 2);
	/* These were confirmed since. */
	assert_int_equal(endpoints_expire(f->e, T0 + HOUR + HOUR / 2), 0);
}

static void nothing_is_forgotten_while_its_name_cannot_be_resolved(void **state)
{
	struct fixture *f = *state;

	resolve(f, HOST, 1, 2, T0);
	for (unsigned hour = 1; hour < 100; hour++) {
		resolve(f, HOST, 0, 0, T0 + hour * HOUR);
		assert_int_equal(endpoints_expire(f->e, T0 + hour * HOUR), 0);
	}
	assert_int_equal(known(f, HOST), 2);
}

static void addresses_of_one_name_are_bounded(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3000; i += 50)
		resolve(f, HOST, i, 50, T0 + i);
	assert_int_equal(known(f, HOST), 1024);
	/* The newest are there. */
	for (unsigned i = 2950; i < 3000; i++) {
		const struct name *n = endpoints_find_name(f->e, HOST);
		struct eg_addr want = addr(i);
		bool found = false;

		for (size_t k = 0; k < n->n; k++)
			found = found || memcmp(&n->v[k].addr, &want, sizeof(want)) == 0;
		assert_true(found);
	}
}

static void a_restart_is_not_blind(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	resolve(f, HOST, 1, 3, T0);
	resolve(f, "api.anthropic.com", 9, 1, T0);
	f->e = endpoints_free(f->e);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	start(f);
	assert_int_equal(known(f, HOST), 3);
	assert_int_equal(known(f, "api.anthropic.com"), 1);
	assert_int_equal(endpoints_tried(f->e), 0);
	/* And they age from when they were confirmed. */
	resolve(f, HOST, 1, 1, T0 + HOUR + 1);
	assert_int_equal(endpoints_expire(f->e, T0 + HOUR + 1), 2);
}

static void write_file(struct fixture *f, const char *text)
{
	FILE *out;

	f->e = endpoints_free(f->e);
	out = fopen(f->file, "w");
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(f->file, 0600), 0);
}

static void a_broken_file_is_left_out(void **state)
{
	static const char *const broken[] = {
		"",
		"{",
		"7",
		"[7]",
		"[{\"host\": \"a.example\"}]",
		"[{\"host\": \"a.example\", \"addresses\": [[\"10.0.0.0/8\", 1]]}]",
		"[{\"host\": \"a.example\", \"addresses\": [[\"1.2.3.4\", -1]]}]",
		"[{\"host\": \"a.example\", \"addresses\": [[\"x\", 1]]}]",
		"[{\"host\": \"\", \"addresses\": []}]",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct endpoints_opts o = { .loop = f->loop,
					    .warnings = f->warnings,
					    .file = f->file };
		struct diag d = { 0 };

		write_file(f, broken[i]);
		assert_int_equal(endpoints_new(&o, &f->e), 0);
		if (strcmp(broken[i], "7") != 0 && endpoints_read(f->e, &d) == 0)
			fail_msg("taken: %s", broken[i]);
		assert_int_equal(endpoints_apply(f->e, f->edition, &d), 0);
		resolve(f, HOST, 1, 1, T0);
		assert_int_equal(known(f, HOST), 1);
	}
}

static void names_no_longer_governed_lose_their_addresses(void **state)
{
	struct fixture *f = *state;
	struct diag d = { 0 };

	write_file(f, "[{\"host\": \"gone.example\", \"answered_us\": 5, \"addresses\": "
		      "[[\"198.51.100.7\", 5]]}]");
	start(f);
	assert_int_equal(known(f, "gone.example"), 0);
	assert_int_equal(endpoints_apply(f->e, f->edition, &d), 0);
	assert_int_equal(known(f, "gone.example"), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(every_name_counts_as_tried_once_it_was),
		T(a_worker_cannot_add_names_or_choose_providers),
		T(a_lying_count_is_ignored),
		T(an_address_outlives_its_last_answer_by_an_hour),
		T(nothing_is_forgotten_while_its_name_cannot_be_resolved),
		T(addresses_of_one_name_are_bounded),
		T(a_restart_is_not_blind),
		T(a_broken_file_is_left_out),
		T(names_no_longer_governed_lose_their_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

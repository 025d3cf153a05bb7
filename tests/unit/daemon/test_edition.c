/* SPDX-License-Identifier: Apache-2.0 */
/* Catalogue and policy together: whole or not at all, and unchangeable afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/edition.h"

static char dir[] = "/tmp/egret-test-edition-XXXXXX", file[128], more[128];
static struct diag d;

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(file, sizeof(file), "%s/policy.json", dir);
	(void)snprintf(more, sizeof(more), "%s/more.json", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(file);
	(void)unlink(more);
	return rmdir(dir);
}

static void put(const char *path, const char *text, mode_t mode)
{
	int fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* NULL when it is refused; d says why. */
static struct edition *try(const char *policy, const char *catalogue)
{
	char *files[] = { (char *)(uintptr_t)catalogue, NULL };
	const struct config_list list = { files, catalogue ? 1 : 0 };
	const struct edition_from from = { .catalogue = &list, .policy = policy };
	struct edition *e = NULL;

	return edition_new(&from, 7, &d, &e) < 0 ? NULL : e;
}

static struct edition *make(const char *policy, const char *catalogue)
{
	struct edition *e = try(policy, catalogue);

	if (!e) {
		fail_msg("%s:%u:%u %s", d.file, d.line, d.col, d.text);
		abort();
	}
	return e;
}

static void a_missing_policy_is_the_built_in_one(void **state)
{
	struct edition *e = make("/nonexistent/policy.json", NULL);
	char name[64];

	(void)state;
	assert_string_equal(e->source, "built-in");
	assert_int_equal(e->generation, 7);
	assert_true(policy_rules(e->policy) > 0);
	assert_string_equal(edition_provider(e, 0, name, sizeof(name)), name);
	assert_null(edition_provider(e, 100000, name, sizeof(name)));
	(void)edition_free(e);
}

static void a_bad_policy_says_where(void **state)
{
	(void)state;
	put(file, "{\n  \"workloads\": {},\n  \"rule\": []\n}", 0600);
	assert_null(try(file, NULL));
	assert_string_equal(d.file, file);
	assert_int_equal(d.line, 3);
	put(file, "", 0600);
	assert_null(try(file, NULL));
	put(file, "{ \"workloads\": {}, \"rules\": [] }", 0646);
	assert_null(try(file, NULL));
	assert_non_null(strstr(d.text, "others than root"));
}

static void a_text_is_taken_under_its_files_name(void **state)
{
	static const struct config_list none;
	struct slice text = SLICE("{ \"workloads\": {}, \"rules\": [] }");
	const struct edition_from from = { .catalogue = &none,
					   .policy = "as shown",
					   .text = &text };
	struct edition *e = NULL;

	(void)state;
	assert_int_equal(edition_new(&from, 1, &d, &e), 0);
	assert_string_equal(e->source, "as shown");
	assert_int_equal(policy_rules(e->policy), 0);
	(void)edition_free(e);
	text = SLICE("{\n  \"rule\": [] }");
	assert_true(edition_new(&from, 1, &d, &e) < 0);
	assert_string_equal(d.file, "as shown");
	assert_int_equal(d.line, 2);
	text.n = EDITION_FILE_MAX + 1; /* is refused before a byte of it is read */
	assert_true(edition_new(&from, 1, &d, &e) < 0);
	assert_string_equal(d.file, "as shown");
	assert_non_null(strstr(d.text, "larger than"));
}

static void a_catalogue_file_adds_and_replaces(void **state)
{
	struct edition *e;

	(void)state;
	put(more,
	    "{ \"providers\": { \"mine\": { \"trust\": \"private\", \"dialect\": \"generic\", "
	    "\"hosts\": "
	    "[\"llm.corp.example\"] } } }",
	    0600);
	e = make("/nonexistent", more);
	assert_true(catalogue_find_host(e->catalogue, SLICE("llm.corp.example")) >= 0);
	assert_true(catalogue_find_host(e->catalogue, SLICE("api.openai.com")) >= 0);
	(void)edition_free(e);
	put(more, "{ \"providers\": { \"mine\": { \"hosts\": 7 } } }", 0600);
	assert_null(try("/nonexistent", more));
	assert_string_equal(d.file, more);
	assert_null(try("/nonexistent", "/nonexistent/catalogue.json"));
	assert_string_equal(d.file, "/nonexistent/catalogue.json");
}

static void images_cannot_be_changed(void **state)
{
	struct edition *e = make("/nonexistent", NULL);
	const int fds[] = { e->catalogue_fd, e->policy_fd };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(pwrite(fds[i], "x", 1, 0), -1);
		assert_int_equal(ftruncate(fds[i], 0), -1);
		assert_true(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0) ==
			    MAP_FAILED);
		assert_int_equal(fcntl(fds[i], F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	}
	(void)edition_free(e);
}

static void a_workloads_labels_are_found_by_its_index(void **state)
{
	struct edition *e;

	(void)state;
	put(file,
	    "{ \"workloads\": { \"a\": { \"match\": [{\"run\": true}] },"
	    " \"b\": { \"match\": [{\"user\": \"root\"}], \"labels\": { \"team\": \"x\" } } }, "
	    "\"rules\": [] }",
	    0600);
	e = make(file, NULL);
	assert_null(edition_labels(e, 0));
	assert_null(edition_labels(e, 1));
	assert_string_equal(json_string_value(json_object_get(edition_labels(e, 2), "team")), "x");
	(void)edition_free(e);
}

static void operations_are_named_once(void **state)
{
	struct edition *e = make("/nonexistent", NULL);
	int openai = catalogue_find_provider(e->catalogue, SLICE("openai"));
	json_t *names = edition_operations(e, (unsigned)openai);

	(void)state;
	assert_true(json_array_size(names) > 5);
	for (size_t i = 0; i < json_array_size(names); i++)
		for (size_t k = 0; k < i; k++)
			assert_false(
				json_equal(json_array_get(names, i), json_array_get(names, k)));
	json_decref(names);
	(void)edition_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_policy_is_the_built_in_one),
		cmocka_unit_test(a_bad_policy_says_where),
		cmocka_unit_test(a_text_is_taken_under_its_files_name),
		cmocka_unit_test(a_catalogue_file_adds_and_replaces),
		cmocka_unit_test(images_cannot_be_changed),
		cmocka_unit_test(a_workloads_labels_are_found_by_its_index),
		cmocka_unit_test(operations_are_named_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The decision tables of policy/tests/ with the catalogue as it is built in, and the tables'
 * reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <glob.h>
#include <unistd.h>

#include "base/buf.h"
#include "identity/identity.h"
#include "policy/compile.h"
#include "policy/golden.h"
#include "provider/catalogue.h"

#include "embed_default.h"
#include "embed_providers.h"

static struct buf image;
static struct catalogue *catalogue;

static int open_catalogue(void **state)
{
	struct json_doc *doc = NULL;
	struct diag d = { 0 };

	(void)state;
	buf_init(&image, 64u << 20);
	assert_int_equal(
		json_doc_parse("providers.json", slice_str(embed_providers), 16u << 20, &d, &doc),
		0);
	assert_int_equal(catalogue_compile((const struct json_doc *const[]){ doc }, 1, &d, &image),
			 0);
	assert_int_equal(catalogue_open(buf_slice(&image).p, buf_len(&image), &catalogue), 0);
	(void)json_doc_free(doc);
	return 0;
}

static int close_catalogue(void **state)
{
	(void)state;
	catalogue = catalogue_free(catalogue);
	buf_release(&image);
	return 0;
}

static int on_result(void *ctx, const struct golden_result *g)
{
	unsigned *n = ctx;
	_cleanup_free_ char *wanted = json_dumps(g->wanted, JSON_ENCODE_ANY);
	_cleanup_free_ char *got = json_dumps(g->got, JSON_ENCODE_ANY);

	if (g->differs)
		fail_msg("%s: \"%s\": %s is %s, not %s", g->file, g->name, g->differs,
			 got ? got : "absent", wanted);
	++*n;
	return 0;
}

static void tables_decide_as_written(void **state)
{
	unsigned tests = 0;
	glob_t files;

	(void)state;
	assert_int_equal(glob("policy/tests/*.json", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct diag d = { 0 };

		if (golden_run(files.gl_pathv[i], catalogue, &d, on_result, &tests) < 0)
			fail_msg("%s:%u:%u: %s", d.file, d.line, d.col, d.text);
	}
	assert_true(files.gl_pathc >= 7);
	assert_true(tests >= 40);
	globfree(&files);
}

static void put_in_force(const char *path)
{
	struct json_doc *doc = NULL;
	struct diag d = { 0 };
	struct buf out;
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	buf_init(&out, 64u << 20);
	if (json_doc_read(path, fileno(f), 1u << 20, &d, &doc) < 0 ||
	    policy_compile(doc, catalogue, &d, &out) < 0 || identity_check(doc, &d) < 0)
		fail_msg("%s:%u:%u: %s", d.file, d.line, d.col, d.text);
	buf_release(&out);
	(void)json_doc_free(doc);
	(void)fclose(f);
}

static void examples_can_be_put_in_force(void **state)
{
	unsigned policies = 0;
	glob_t files;

	(void)state;
	assert_int_equal(glob("policy/examples/*.json", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		/* There are catalogues too. */
		if (strstr(files.gl_pathv[i], "/providers"))
			continue;
		put_in_force(files.gl_pathv[i]);
		policies++;
	}
	assert_true(policies >= 5);
	globfree(&files);
}

static void the_default_selects_who_is_run(void **state)
{
	struct json_doc *doc = NULL;
	struct diag d = { 0 };

	(void)state;
	assert_int_equal(
		json_doc_parse("default.json", slice_str(embed_default), 1u << 20, &d, &doc), 0);
	assert_int_equal(identity_check(doc, &d), 0);
	(void)json_doc_free(doc);
}

struct bad_table {
	const char *text, *says;
};

static int count(void *ctx, const struct golden_result *g)
{
	unsigned *differ = ctx;

	*differ += g->differs != NULL;
	return 0;
}

static int run_text(const char *text, struct diag *d, unsigned *differ)
{
	char path[] = "/tmp/egret-golden-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	*d = (struct diag){ 0 };
	*differ = 0;
	r = golden_run(path, catalogue, d, count, differ);
	if (r < 0 && !strstr(d->file, path))
		fail_msg("the message names %s, not the file", d->file);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(close(fd), 0);
	return r;
}

#define POLICY                                                                                     \
	"\"policy\":{\"workloads\":{\"w\":{}},\"rules\":[{\"id\":\"r\",\"allow\":{\"max_tokens\":" \
	"5}}]}"
#define FACTS "\"facts\":{\"workload\":\"w\",\"provider\":\"openai\",\"operation\":\"chat\"}"

static void a_wrong_expectation_is_found(void **state)
{
	unsigned differ;
	struct diag d;

	(void)state;
	assert_int_equal(run_text("{" POLICY ",\"tests\":[{\"name\":\"n\"," FACTS
				  ",\"expect\":{\"decision\":\"no_rule\"}},{\"name\":\"m\"," FACTS
				  ",\"expect\":{\"decision\":\"allowed\",\"max_tokens\":6}},{"
				  "\"name\":\"o\"," FACTS
				  ",\"expect\":{\"decision\":\"allowed\",\"max_tokens\":null}},{"
				  "\"name\":\"p\"," FACTS
				  ",\"expect\":{\"decision\":\"allowed\",\"credential\":\"x\"}}]}",
				  &d, &differ),
			 0);
	assert_int_equal(differ, 4);
}

static void tables_that_say_nothing_are_refused(void **state)
{
	static const struct bad_table list[] = {
		{ "[]", "is an object" },
		{ "{\"tests\":[1]}", "\"policy\" must be" },
		{ "{" POLICY "}", "\"tests\" must be" },
		{ "{" POLICY ",\"tests\":[]}", "\"tests\" must be" },
		{ "{" POLICY ",\"tests\":[3]}", "must be an object" },
		{ "{" POLICY ",\"tests\":[{}]}", "needs a \"name\"" },
		{ "{" POLICY ",\"tests\":[{\"name\":\"n\"," FACTS "}]}", "\"expect\" must be" },
		{ "{" POLICY ",\"tests\":[{\"name\":\"n\"," FACTS ",\"expect\":{}}]}",
		  "\"expect\" must be" },
		{ "{" POLICY ",\"tests\":[{\"name\":\"n\"," FACTS
		  ",\"expect\":{\"decision\":\"allowed\",\"rul\":\"r\"}}]}",
		  "did you mean \"rule\"" },
		{ "{" POLICY ",\"tests\":[{\"name\":\"n\",\"expect\":{\"decision\":\"allowed\"}}]}",
		  "\"facts\" must be" },
		{ "{" POLICY ",\"tests\":[{\"name\":\"n\",\"facts\":{\"workload\":\"v\","
		  "\"provider\":\"openai\","
		  "\"operation\":\"chat\"},\"expect\":{\"decision\":\"allowed\"}}]}",
		  "no workload is called \"v\"" },
		{ "{\"policy\":{\"workloads\":{},\"rules\":3},\"tests\":[3]}", "needs \"rules\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		unsigned differ;
		struct diag d;

		assert_int_equal(run_text(list[i].text, &d, &differ), -EINVAL);
		if (!strstr(d.text, list[i].says))
			fail_msg("%s\nsaid: %s\nnot: %s", list[i].text, d.text, list[i].says);
	}
}

static void a_policy_that_is_not_there_is_named(void **state)
{
	char path[] = "/tmp/egret-golden-XXXXXX";
	int fd = mkstemp(path);
	struct diag d = { 0 };
	unsigned n = 0;

	(void)state;
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "{\"policy\":\"egret-none.json\",\"tests\":[3]}") > 0);
	assert_int_equal(golden_run(path, catalogue, &d, count, &n), -ENOENT);
	assert_string_equal(d.file, "/tmp/egret-none.json");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(golden_run(path, catalogue, &d, count, &n), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_decide_as_written),
		cmocka_unit_test(examples_can_be_put_in_force),
		cmocka_unit_test(the_default_selects_who_is_run),
		cmocka_unit_test(a_wrong_expectation_is_found),
		cmocka_unit_test(tables_that_say_nothing_are_refused),
		cmocka_unit_test(a_policy_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, open_catalogue, close_catalogue);
}

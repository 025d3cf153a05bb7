/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON with comments: what is refused, and that every error names the right place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/json.h"

#define MAX 65536

static struct json_doc *parsed(const char *text)
{
	struct json_doc *doc = NULL;
	struct diag d = { 0 };
	int r = json_doc_parse("t.json", slice_str(text), MAX, &d, &doc);

	if (r < 0)
		print_error("%s:%u:%u: %s\n", d.file, d.line, d.col, d.text);
	assert_int_equal(r, 0);
	return doc;
}

static void refused(const char *text, unsigned line, unsigned col, const char *says)
{
	struct json_doc *doc = NULL;
	struct diag d = { 0 };

	assert_int_equal(json_doc_parse("t.json", slice_str(text), MAX, &d, &doc), -EINVAL);
	assert_null(doc);
	if (d.line != line || d.col != col || !strstr(d.text, says)) {
		print_error("%s\n -> %s:%u:%u: %s, wanted %u:%u %s\n", text, d.file, d.line, d.col,
			    d.text, line, col, says);
		fail();
	}
	assert_string_equal(d.file, "t.json");
}

static void reads_comments_outside_strings_only(void **state)
{
	struct json_doc *doc =
		parsed("// head \" not a string\n"
		       "{ /* a \" b */ \"url\": \"https://x/*y*/\", // tail\n"
		       "  \"esc\": \"\\\"//\\\\\", /**/ \"n\"/*x*/:/***/1 /* two\nlines */ }\n"
		       "// at the end, without a line end");
	json_t *root = json_doc_root(doc);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(root, "url")), "https://x/*y*/");
	assert_string_equal(json_string_value(json_object_get(root, "esc")), "\"//\\");
	assert_int_equal(json_integer_value(json_object_get(root, "n")), 1);
	assert_int_equal(json_object_size(root), 3);
	assert_string_equal(json_doc_file(doc), "t.json");
	json_doc_free(doc);
}

static void names_the_place_of_every_syntax_error(void **state)
{
	(void)state;
	refused("", 1, 1, "the text ends here");
	refused("  \n  ", 2, 3, "the text ends here");
	refused("{\"a\": 1", 1, 8, "',' or '}'");
	refused("{\"a\": 1]", 1, 8, "',' or '}', found ']'");
	refused("{\n \"a\": 1\n \"b\": 2 }", 3, 2, "',' or '}', found '\"'");
	refused("{\"a\" 1}", 1, 6, "':'");
	refused("{\"a\": }", 1, 7, "a value, found '}'");
	refused("{\"a\": 1,}", 1, 8, "a comma before");
	refused("[1, 2,\n]", 1, 6, "a comma before");
	refused("{a: 1}", 1, 2, "double quotes");
	refused("{'a': 1}", 1, 2, "double quotes");
	refused("{\"a\": 1} x", 1, 10, "the end of the text");
	refused("{\"a\": \"x}", 1, 7, "no closing quote");
	refused("{\"a\\", 1, 2, "no closing quote");
	refused("{ /* open\n }", 1, 3, "no end");
	refused("{ / }", 1, 3, "double quotes");
	refused("{\"a\": 1}\n# x", 2, 1, "found '#'");
	refused("{\"a\": 1}\x01", 1, 9, "byte 0x01");
	refused("\xef\xbb\xbf{}", 1, 1, "byte 0xef");
}

static void names_the_place_of_bad_scalars(void **state)
{
	(void)state;
	refused("1", 1, 1, "'[' or '{'");
	refused("{\"a\": [1, 2, tru]}", 1, 14, "tru");
	refused("{\"a\": 01}", 1, 7, "");
	refused("{\"a\": 99999999999999999999}", 1, 7, "too big");
	refused("{\"a\": 1, \"b\": 1e999}", 1, 15, "real");
	refused("{\"a\": NaN}", 1, 7, "NaN");
	refused("{\"a\":\n\"\\x\"}", 2, 1, "escape");
	refused("{\"a\": \"line\nbreak\"}", 1, 7, "newline");
	refused("{\"a\": \"\xff\"}", 1, 7, "byte 0xff");
	refused("{\"a\": \"\\ud800\"}", 1, 7, "Unicode");
	refused("{\"a\": \"\\u0000\"}", 1, 7, "\\u0000");
}

static void refuses_duplicate_members_at_the_second(void **state)
{
	(void)state;
	refused("{\"a\": 1,\n \"b\": {\"a\": 2},\n \"a\": 3}", 3, 2, "duplicate");
	/* The same name through an escape is the same name. */
	refused("{\"a\": 1, \"\\u0061\": 2}", 1, 10, "duplicate");
}

static void counts_columns_in_characters(void **state)
{
	(void)state;
	refused("{\"\xc3\xa9\xe2\x82\xac\": /* \xc3\xa9 */ }", 1, 16, "a value");
}

static void refuses_what_is_too_deep_or_too_large(void **state)
{
	char deep[10001];
	struct json_doc *doc = NULL;
	struct diag d = { 0 };

	(void)state;
	memset(deep, '[', sizeof(deep) - 1);
	deep[10000] = '\0';
	refused(deep, 1, 65, "deeper than 64");
	memset(deep + 64, ']', 64);
	assert_int_equal(json_doc_parse("t", slice_of(deep, 128), MAX, &d, &doc), 0);
	doc = json_doc_free(doc);
	assert_int_equal(json_doc_parse("t", slice_of(deep, 128), 127, &d, &doc), -EMSGSIZE);
	assert_int_equal(d.line, 0);
	assert_non_null(strstr(d.text, "127"));
	assert_null(doc);
}

static void takes_bytes_with_nul_for_an_error(void **state)
{
	static const char text[] = "{\"a\": 1}\0{}";
	struct json_doc *doc = NULL;
	struct diag d = { 0 };

	(void)state;
	assert_int_equal(json_doc_parse("t", slice_of(text, sizeof(text) - 1), MAX, &d, &doc),
			 -EINVAL);
	assert_int_equal(d.col, 9);
	/* No diag is fine too. */
	assert_int_equal(json_doc_parse(NULL, SLICE("{"), MAX, NULL, &doc), -EINVAL);
}

static void expect_place(const struct diag *d, unsigned line, unsigned col, const char *text)
{
	assert_string_equal(d->text, text);
	assert_int_equal(d->line, line);
	assert_int_equal(d->col, col);
}

static void finds_every_value_later(void **state)
{
	struct json_doc *doc = parsed("{\n"
				      "  \"z\": true, \"same\": true,\n"
				      "  \"list\": [ 1, [ ], { \"x\" :\n"
				      "     null }, \"s\" ],\n"
				      "  // \"a\": 2\n"
				      "  \"a\": { }\n"
				      "}\n");
	json_t *root = json_doc_root(doc), *list = json_object_get(root, "list");
	json_t *inner = json_array_get(list, 2);
	struct diag d = { 0 };

	(void)state;
	assert_int_equal(json_doc_error(doc, &d, NULL, NULL, false, "root %d", 7), -EINVAL);
	expect_place(&d, 1, 1, "root 7");
	(void)json_doc_error(doc, &d, root, "z", false, "v");
	expect_place(&d, 2, 8, "v");
	/* jansson shares one `true` among all: the place must not. */
	(void)json_doc_error(doc, &d, root, "same", false, "v");
	expect_place(&d, 2, 22, "v");
	(void)json_doc_error(doc, &d, root, "same", true, "k");
	expect_place(&d, 2, 14, "k");
	(void)json_doc_error(doc, &d, inner, "x", false, "v");
	expect_place(&d, 4, 6, "v");
	(void)json_doc_error_at(doc, &d, list, 0, "v");
	expect_place(&d, 3, 13, "v");
	(void)json_doc_error_at(doc, &d, list, 1, "v");
	expect_place(&d, 3, 16, "v");
	(void)json_doc_error_at(doc, &d, list, 3, "v");
	expect_place(&d, 4, 14, "v");
	(void)json_doc_error(doc, &d, root, "a", false, "v");
	expect_place(&d, 6, 8, "v");
	/* A member that is missing: the object that lacks it. */
	(void)json_doc_error(doc, &d, json_object_get(root, "a"), "q", false, "v");
	expect_place(&d, 6, 8, "v");
	(void)json_doc_error(doc, &d, inner, NULL, false, "v");
	expect_place(&d, 3, 21, "v");
	(void)json_doc_error_at(doc, &d, list, 99, "v");
	expect_place(&d, 3, 11, "v");
	json_doc_free(doc);
}

/* With more members than fit one hash table size: order of insertion must hold through growth. */
static void finds_the_last_of_many_members(void **state)
{
	char text[8192];
	size_t n = 1;
	struct json_doc *doc;
	struct diag d = { 0 };

	(void)state;
	text[0] = '{';
	for (int i = 0; i < 300; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n\"k%d\": [%d]", i ? "," : "",
				      i, i);
	(void)snprintf(text + n, sizeof(text) - n, "}");
	doc = parsed(text);
	for (int i = 0; i < 300; i += 13) {
		char key[16];
		json_t *array;

		(void)snprintf(key, sizeof(key), "k%d", i);
		array = json_object_get(json_doc_root(doc), key);
		(void)json_doc_error_at(doc, &d, array, 0, "v");
		assert_int_equal(d.line, i + 2);
		assert_int_equal(d.col, strlen(key) + 6);
	}
	json_doc_free(doc);
}

static void names_the_nearest_allowed_member(void **state)
{
	static const char *const allowed[] = { "model", "operation", "provider", "id", NULL };
	struct json_doc *doc = parsed("{ \"ok\": { \"id\": 1, \"model\": 2 },\n"
				      "  \"near\": { \"id\": 1, \"modle\": 2 },\n"
				      "  \"far\": { \"colour\": 2 }, \"odd\": { \"a\\nb\": 1 } }");
	json_t *root = json_doc_root(doc);
	struct diag d = { 0 };

	(void)state;
	assert_int_equal(json_doc_only(doc, &d, json_object_get(root, "ok"), allowed), 0);
	assert_int_equal(json_doc_only(doc, &d, json_object_get(root, "near"), allowed), -EINVAL);
	expect_place(&d, 2, 22, "unknown member \"modle\"; did you mean \"model\"?");
	assert_int_equal(json_doc_only(doc, &d, json_object_get(root, "far"), allowed), -EINVAL);
	expect_place(&d, 3, 12,
		     "unknown member \"colour\"; known here: \"model\", \"operation\", "
		     "\"provider\", \"id\"");
	/* A name with a line end does not reach a terminal as one. */
	assert_int_equal(json_doc_only(doc, &d, json_object_get(root, "odd"), allowed), -EINVAL);
	assert_null(strchr(d.text, '\n'));
	json_doc_free(doc);
}

static void bounds_long_names_in_messages(void **state)
{
	static const char *const allowed[] = { "a", NULL };
	char text[5000] = "{\"";
	struct json_doc *doc;
	struct diag d = { 0 };

	(void)state;
	memset(text + 2, 'x', 4000);
	memcpy(text + 4002, "\": 1}", 6);
	doc = parsed(text);
	assert_int_equal(json_doc_only(doc, &d, json_doc_root(doc), allowed), -EINVAL);
	assert_in_range(strlen(d.text), 80, 120);
	json_doc_free(doc);
}

static int file_with(const char *text, size_t n)
{
	int fd = memfd_create("test_json", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	return fd;
}

static void reads_files_from_their_start_and_bounded(void **state)
{
	static const char text[] = "{ \"a\": [1, 2, 3] }";
	_cleanup_close_ int fd = file_with(text, sizeof(text) - 1);
	struct json_doc *doc = NULL;
	struct diag d = { 0 };

	(void)state;
	/* The offset is at the end now; reading must not care. */
	assert_int_equal(json_doc_read("f.json", fd, sizeof(text) - 1, &d, &doc), 0);
	assert_int_equal(json_array_size(json_object_get(json_doc_root(doc), "a")), 3);
	doc = json_doc_free(doc);
	assert_int_equal(json_doc_read("f.json", fd, sizeof(text) - 2, &d, &doc), -EMSGSIZE);
	assert_string_equal(d.file, "f.json");
	assert_int_equal(json_doc_read("f.json", -EBADF, MAX, &d, &doc), -EBADF);
	assert_non_null(strstr(d.text, "cannot read"));
	assert_null(json_doc_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_comments_outside_strings_only),
		cmocka_unit_test(names_the_place_of_every_syntax_error),
		cmocka_unit_test(names_the_place_of_bad_scalars),
		cmocka_unit_test(refuses_duplicate_members_at_the_second),
		cmocka_unit_test(counts_columns_in_characters),
		cmocka_unit_test(refuses_what_is_too_deep_or_too_large),
		cmocka_unit_test(takes_bytes_with_nul_for_an_error),
		cmocka_unit_test(finds_every_value_later),
		cmocka_unit_test(finds_the_last_of_many_members),
		cmocka_unit_test(names_the_nearest_allowed_member),
		cmocka_unit_test(bounds_long_names_in_messages),
		cmocka_unit_test(reads_files_from_their_start_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

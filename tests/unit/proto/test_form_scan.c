/* SPDX-License-Identifier: Apache-2.0 */
/* Every body is fed whole and in pieces of every size up to 80: the result must be the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/form_scan.h"

#define TYPE	 "multipart/form-data; boundary=B0und"
#define MODEL	 "Content-Disposition: form-data; name=\"model\"\r\n"
#define FILE_(n) "Content-Disposition: form-data; name=\"file\"; filename=\"" n "\"\r\n"
#define LONG	 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const char *const names[] = { "model", "stream" };

/* Result of a body; the model's text goes to `model` (63 bytes and NUL). */
static enum form_scan_result scan(struct slice body, size_t step, char model[64])
{
	const struct form_scan_value *v;
	enum form_scan_result r = FORM_SCAN_OK;
	struct form_scan *s;
	struct pool pool;

	pool_init(&pool, 1 << 16);
	s = form_scan_new(SLICE(TYPE), names, 2, &pool);
	assert_non_null(s);
	for (size_t i = 0; i < body.n && r == FORM_SCAN_OK; i += step) {
		size_t n = body.n - i < step ? body.n - i : step;
		char *copy = malloc(n);

		memcpy(copy, body.p + i, n);
		r = form_scan_feed(s, slice_of(copy, n));
		free(copy);
	}
	r = form_scan_finish(s);
	model[0] = '\0';
	for (size_t i = 0, k = form_scan_values(s, &v); i < k; i++)
		if (v[i].key == 0)
			(void)slice_copy(v[i].text, model, 64);
	(void)form_scan_free(s);
	pool_clear(&pool, false);
	return r;
}

static void expect(struct slice body, enum form_scan_result want, const char *want_model)
{
	char model[64];

	for (size_t step = 1; step <= body.n && step < 80; step++) {
		enum form_scan_result r = scan(body, step, model);

		if (r != want)
			fail_msg("in steps of %zu: %d, not %d:\n%.*s", step, r, want, (int)body.n,
				 body.p);
		if (want == FORM_SCAN_OK)
			assert_string_equal(model, want_model);
	}
}
#define REFUSED(body, why) expect(SLICE(body), FORM_SCAN_##why, "")

static void governed_parts_are_read_and_files_are_not(void **state)
{
	(void)state;
	expect(SLICE("--B0und\r\n" MODEL "\r\nwhisper-1\r\n--B0und--\r\n"), FORM_SCAN_OK,
	       "whisper-1");
	expect(SLICE("--B0und\r\n" FILE_(
		       "a.mp3") "Content-Type: audio/mpeg\r\n\r\n"
				"\0\r\n--B0un\r\n-\r\n--B0uNd\r\r\n\n\n\r\n"
				"--B0und\r\ncontent-disposition:form-data;name=model\r\n\r\n"
				"w\r\n--B0und--"),
	       FORM_SCAN_OK, "w");
	expect(SLICE("--B0und\r\n" MODEL "Content-Type: text/plain; charset=UTF-8\r\n\r\n"
		     "a\r\n--B0und\r\nContent-Disposition: form-data; name=\"models\"\r\n\r\n"
		     "b\r\n--B0und--\r\n"),
	       FORM_SCAN_OK, "a");
	expect(SLICE("--B0und\r\n" FILE_("") "\r\n\r\n--B0und--\r\n"), FORM_SCAN_OK, "");
	expect(SLICE("--B0und\r\n" MODEL "\r\n\r\n--B0und--\r\n"), FORM_SCAN_OK, "");
	expect(SLICE("--B0und--\r\n"), FORM_SCAN_OK, "");
}

static void two_governed_parts_of_a_name_are_refused(void **state)
{
	(void)state;
	REFUSED("--B0und\r\n" MODEL "\r\na\r\n--B0und\r\n" MODEL "\r\na\r\n--B0und--", DUPLICATE);
	/* to a reader that ignores case */
	REFUSED("--B0und\r\n" MODEL "\r\na\r\n--B0und\r\n"
		"Content-Disposition: form-data; name=\"Model\"\r\n\r\nb\r\n--B0und--",
		MALFORMED);
}

static void what_readers_may_cut_differently_is_refused(void **state)
{
	(void)state;
	/* bare LF before a boundary inside a file */
	REFUSED("--B0und\r\n" FILE_("a") "\r\nx\n--B0und\r\n" MODEL "\r\nevil\r\n--B0und--",
		MALFORMED);
	/* a boundary at the very start of the content */
	REFUSED("--B0und\r\n" FILE_("a") "\r\n--B0und\r\n" MODEL "\r\nevil\r\n--B0und--",
		MALFORMED);
	/* something else behind a boundary */
	REFUSED("--B0und\r\n" FILE_("a") "\r\nx\r\n--B0und \r\n" MODEL "\r\nm\r\n--B0und--",
		MALFORMED);
	REFUSED("--B0und\r\n" FILE_("a") "\r\nx\r\n--B0undX\r\ny\r\n--B0und--", MALFORMED);
	REFUSED("--B0und\r\n" FILE_("a") "\r\nx\r\n--B0und\n" MODEL "\r\nm\r\n--B0und--",
		MALFORMED);
	REFUSED("--B0und\r\n" FILE_("a") "\r\nx\r\n--B0und-\r\n", MALFORMED);
	/* before the first, after the last */
	REFUSED("\r\n--B0und\r\n" MODEL "\r\nm\r\n--B0und--", MALFORMED);
	REFUSED("hello\r\n--B0und\r\n" MODEL "\r\nm\r\n--B0und--", MALFORMED);
	REFUSED("--B0und\r\n" MODEL "\r\nm\r\n--B0und--\r\n\r\n", MALFORMED);
	REFUSED("--B0und\r\n" MODEL "\r\nm\r\n--B0und--\r\n--B0und\r\n" MODEL "\r\nn\r\n--B0und--",
		MALFORMED);
	REFUSED("--B0und\r\n" MODEL "\r\nm\r\n--B0und--\n", MALFORMED);
	REFUSED("--B0und\r\n" MODEL "\r\nm\r\n--B0und--\r", MALFORMED);
	/* no end */
	REFUSED("--B0und\r\n" MODEL "\r\nm\r\n--B0und", MALFORMED);
	REFUSED("--B0und\r\n" MODEL "\r\nm", MALFORMED);
	REFUSED("--B0und\r\n" MODEL, MALFORMED);
	REFUSED("-", MALFORMED);
	assert_int_equal(scan(slice_of("", 0), 1, (char[64]){ 0 }), FORM_SCAN_MALFORMED);
}

static void ambiguous_heads_are_refused(void **state)
{
	static const char *const heads[] = {
		"", /* no fields at all */
		"Content-Type: text/plain\r\n",
		"Content-Disposition: form-data\r\n",
		"Content-Disposition: form-data; name=\"\"\r\n",
		"Content-Disposition: attachment; name=\"model\"\r\n",
		"Content-Disposition: form-data; name=\"model\"; name=\"x\"\r\n",
		"Content-Disposition: form-data; name=\"x\"; name*=utf-8''model\r\n",
		"Content-Disposition: form-data; name=\"mod\\el\"\r\n",
		"Content-Disposition: form-data; name=\"x\\\"; name=\"model\"\r\n",
		"Content-Disposition: form-data; name=\"x\r\n",
		"Content-Disposition: form-data; name=\"x\"y\r\n",
		"Content-Disposition: form-data; name = \"x\"\r\n",
		"Content-Disposition: form-data; name=\"_charset_\"\r\n",
		"Content-Disposition: form-data; name=\"x\"; filename=a; filename=b\r\n",
		MODEL "Content-Disposition: form-data; name=\"x\"\r\n",
		"Content-Disposition: form-data;\r\n name=\"x\"\r\n",
		"Content-Disposition : form-data; name=\"x\"\r\n",
		"Content-Disposition: form-data; name=\"x\"\n",
		"Content-Disposition: form-data; name=\"x\"\rA: b\r\n",
		": x\r\n" MODEL,
		"X\r\n" MODEL,
	};
	char body[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		int n = snprintf(body, sizeof(body), "--B0und\r\n%s\r\nx\r\n--B0und--\r\n",
				 heads[i]);

		expect(slice_of(body, (size_t)n), FORM_SCAN_MALFORMED, "");
	}
}

static void a_governed_part_is_plain_text(void **state)
{
	static const char *const heads[] = {
		"Content-Disposition: form-data; name=\"model\"; filename=\"m\"\r\n",
		"Content-Disposition: form-data; name=\"model\"; filename*=utf-8''m\r\n",
		MODEL "Content-Type: application/json\r\n",
		MODEL "Content-Type: text/plain; charset=utf-16\r\n",
		MODEL "Content-Type: text/plain; charset\r\n",
		MODEL "Content-Transfer-Encoding: base64\r\n",
	};
	char body[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		int n = snprintf(body, sizeof(body), "--B0und\r\n%s\r\nx\r\n--B0und--\r\n",
				 heads[i]);

		expect(slice_of(body, (size_t)n), FORM_SCAN_BAD_VALUE, "");
	}
	REFUSED("--B0und\r\n" MODEL "\r\na\r\nb\r\n--B0und--", BAD_VALUE);
	REFUSED("--B0und\r\n" MODEL "\r\na\0b\r\n--B0und--", BAD_VALUE);
	REFUSED("--B0und\r\n" MODEL "\r\na\xff\r\n--B0und--", BAD_VALUE);
}

static void bounds_hold(void **state)
{
	size_t size = 200000, n;
	char *body = malloc(size), model[64];

	(void)state;
	for (int length = 1023; length <= 1026; length++) {
		n = (size_t)snprintf(body, size, "--B0und\r\n" MODEL "\r\n%0*d\r\n--B0und--",
				     length, 0);
		assert_int_equal(scan(slice_of(body, n), 7, model),
				 length <= 1024 ? FORM_SCAN_OK : FORM_SCAN_BAD_VALUE);
	}
	n = (size_t)snprintf(body, size, "--B0und\r\nA: %09000d\r\n" MODEL "\r\nx\r\n--B0und--", 0);
	assert_int_equal(scan(slice_of(body, n), 7, model), FORM_SCAN_MALFORMED);
	for (int parts = 1000; parts <= 1001; parts++) {
		n = 0;
		for (int i = 0; i < parts; i++)
			n += (size_t)snprintf(
				body + n, size - n,
				"--B0und\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n");
		n += (size_t)snprintf(body + n, size - n, "--B0und--");
		assert_int_equal(scan(slice_of(body, n), 1000, model),
				 parts <= 1000 ? FORM_SCAN_OK : FORM_SCAN_TOO_MANY);
	}
	free(body);
}

static void only_one_plain_boundary_is_accepted(void **state)
{
	static const char *const bad[] = {
		"multipart/form-data",
		"multipart/form-data; boundary=",
		"multipart/form-data; boundary=\"\"",
		"multipart/form-data; boundary=a; boundary=b",
		"multipart/form-data; boundary=a; boundary*=b",
		"multipart/form-data; boundary*0=a",
		"multipart/form-data; boundary=a b",
		"multipart/form-data; boundary=\"a \"",
		"multipart/form-data; boundary=\"a\\b\"",
		"multipart/form-data; boundary=a{",
		"multipart/form-data boundary=a",
		"multipart/form-data; boundary=" LONG "1234567",
		"multipart/form-datax; boundary=a",
		"multipart/mixed; boundary=a",
		"text/plain",
		"",
	};
	static const char *const good[] = {
		"multipart/form-data; boundary=a",
		"Multipart/Form-Data;BOUNDARY=\"a b\" ; charset=utf-8",
		"multipart/form-data; x=y; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
		"multipart/form-data; boundary=" LONG "123456",
	};
	struct pool pool;

	(void)state;
	pool_init(&pool, 1 << 18);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		errno = 0;
		assert_null(form_scan_new(slice_str(bad[i]), names, 2, &pool));
		assert_int_equal(errno, EINVAL);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_non_null(form_scan_new(slice_str(good[i]), names, 2, &pool));
	pool_clear(&pool, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(governed_parts_are_read_and_files_are_not),
		cmocka_unit_test(two_governed_parts_of_a_name_are_refused),
		cmocka_unit_test(what_readers_may_cut_differently_is_refused),
		cmocka_unit_test(ambiguous_heads_are_refused),
		cmocka_unit_test(a_governed_part_is_plain_text),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(only_one_plain_boundary_is_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies read for what decides, and held to a cap: the rest of every body stays as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/rewrite.h"

static struct pool pool;
static struct inspect in;

static const struct slice chat_max[] = { { "max_completion_tokens", 21 }, { "max_tokens", 10 } };
static const struct slice batch_max[] = { { "requests[].params.max_tokens", 28 } };
static const struct slice deep_max[] = { { "generationConfig.maxOutputTokens", 32 } };

static const struct catalogue_operation chat = { .body = CATALOGUE_BODY_JSON,
						 .model_path = { "model", 5 },
						 .stream_path = { "stream", 6 },
						 .max_tokens_paths = chat_max,
						 .n_max_tokens_paths = 2,
						 .has_output = true };
static const struct catalogue_operation batch = { .body = CATALOGUE_BODY_JSON,
						  .model_path = { "requests[].params.model", 23 },
						  .max_tokens_paths = batch_max,
						  .n_max_tokens_paths = 1,
						  .has_output = true };
static const struct catalogue_operation deep = { .body = CATALOGUE_BODY_JSON,
						 .max_tokens_paths = deep_max,
						 .n_max_tokens_paths = 1,
						 .has_output = true };
static const struct catalogue_operation form = { .body = CATALOGUE_BODY_MULTIPART,
						 .model_path = { "model", 5 },
						 .stream_path = { "stream", 6 } };

static struct inspect_plan plan;

static int start(void **state)
{
	(void)state;
	pool_init(&pool, 1u << 20);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	inspect_done(&in);
	pool_clear(&pool, false);
	return 0;
}

static enum eg_reason begin(const struct catalogue_operation *op, const char *type,
			    const char *encoding)
{
	static struct http_field f[2];
	static struct http_request req;

	req = (struct http_request){ .body = HTTP_BODY_CHUNKED, .fields = f };
	if (type)
		f[req.n_fields++] = (struct http_field){ SLICE("content-type"), slice_str(type),
							 HTTP_content_type };
	if (encoding)
		f[req.n_fields++] =
			(struct http_field){ SLICE("content-encoding"), slice_str(encoding),
					     HTTP_content_encoding };
	inspect_done(&in);
	assert_int_equal(inspect_plan_make(&plan, op, &pool), 0);
	return inspect_begin(&in, op->body, &plan, &req, 1u << 20, &pool);
}

static enum eg_reason read_body(const struct catalogue_operation *op, const char *body)
{
	struct slice s = slice_str(body);
	enum eg_reason r = begin(op, "application/json", NULL);

	if (r == EG_REASON_allowed)
		r = inspect_feed(&in, s, s);
	return r == EG_REASON_allowed ? inspect_finish(&in, s) : r;
}

/* wanted NULL: it stays as it is. */
static void check_cap(const struct catalogue_operation *op, const char *body, const char *wanted)
{
	struct buf out;
	int r;

	buf_init(&out, 1u << 20);
	assert_int_equal(read_body(op, body), EG_REASON_allowed);
	r = rewrite_cap(&in, slice_str(body), 100, &pool, &out);
	assert_int_equal(r, wanted != NULL);
	if (wanted) {
		assert_int_equal(buf_len(&out), strlen(wanted));
		assert_memory_equal(buf_slice(&out).p, wanted, strlen(wanted));
		/* and it is a body like any other */
		assert_int_equal(buf_append(&out, "", 1), 0);
		assert_int_equal(read_body(op, buf_slice(&out).p), EG_REASON_allowed);
		assert_true(rewrite_max_tokens(&in) <= 100);
	}
	buf_release(&out);
}

static void numbers_are_written_down(void **state)
{
	(void)state;
	check_cap(&chat, "{\"max_tokens\":101}", "{\"max_tokens\":100}");
	check_cap(&chat, "{\"max_tokens\":18446744073709551615}", "{\"max_tokens\":100}");
	check_cap(&chat, "{\"max_tokens\":100}", NULL);
	check_cap(&chat, "{\"max_tokens\":0}", NULL);
	check_cap(&chat, "{ \"max_tokens\" : 4096 , \"x\":[1, 2] }",
		  "{ \"max_tokens\" : 100 , \"x\":[1, 2] }");
	check_cap(&chat, "{\"max_tokens\":7,\"max_completion_tokens\":700}",
		  "{\"max_tokens\":7,\"max_completion_tokens\":100}");
	check_cap(&chat, "{\"max_tokens\":700,\"max_completion_tokens\":700}",
		  "{\"max_tokens\":100,\"max_completion_tokens\":100}");
}

static void missing_ones_are_put_in(void **state)
{
	(void)state;
	check_cap(&chat, "{}", "{\"max_completion_tokens\":100}");
	check_cap(&chat, " { \n } ", " {\"max_completion_tokens\":100 \n } ");
	check_cap(&chat, "{\"a\":{\"max_tokens\":7}}",
		  "{\"max_completion_tokens\":100,\"a\":{\"max_tokens\":7}}");
	check_cap(&chat, "{\"x\":\"max_tokens\"}",
		  "{\"max_completion_tokens\":100,\"x\":\"max_tokens\"}");
}

static void nulls_count_as_missing(void **state)
{
	(void)state;
	check_cap(&chat, "{\"max_tokens\":null}", "{\"max_tokens\":100}");
	check_cap(&chat, "{\"max_tokens\":null,\"max_completion_tokens\":5}", NULL);
	check_cap(&chat, "{\"max_tokens\":null,\"max_completion_tokens\":null}",
		  "{\"max_tokens\":100,\"max_completion_tokens\":null}");
}

static void each_element_of_a_batch(void **state)
{
	(void)state;
	check_cap(&batch,
		  "{\"requests\":[{\"params\":{\"model\":\"a\",\"max_tokens\":500}},"
		  "{\"params\":{\"model\":\"b\"}},{\"params\":{\"max_tokens\":5}}]}",
		  "{\"requests\":[{\"params\":{\"model\":\"a\",\"max_tokens\":100}},"
		  "{\"params\":{\"max_tokens\":100,\"model\":\"b\"}},{\"params\":{\"max_tokens\":5}"
		  "}]}");
	check_cap(&batch, "{\"requests\":[]}", NULL);
}

static void the_way_to_it_is_put_in(void **state)
{
	(void)state;
	check_cap(&deep, "{\"x\":1}", "{\"generationConfig\":{\"maxOutputTokens\":100},\"x\":1}");
	check_cap(&deep, "{}", "{\"generationConfig\":{\"maxOutputTokens\":100}}");
	check_cap(&deep, "{\"generationConfig\":{}}",
		  "{\"generationConfig\":{\"maxOutputTokens\":100}}");
	check_cap(&deep, "{\"generationConfig\":{\"maxOutputTokens\":5}}", NULL);
}

static void models_and_stream_are_found(void **state)
{
	struct slice m;

	(void)state;
	assert_int_equal(read_body(&chat, "{\"model\":\"gpt\",\"stream\":true}"),
			 EG_REASON_allowed);
	assert_true(in.wants_stream);
	assert_true(inspect_model(&in, 0, &m) && slice_eq(m, SLICE("gpt")));
	assert_false(inspect_model(&in, 1, &m));
	assert_int_equal(read_body(&chat, "{\"stream\":null}"), EG_REASON_allowed);
	assert_false(in.wants_stream);
	assert_false(inspect_model(&in, 0, &m));
	assert_int_equal(read_body(&batch, "{\"requests\":[{\"params\":{\"model\":\"a\"}},"
					   "{\"params\":{\"model\":\"b\"}}]}"),
			 EG_REASON_allowed);
	assert_true(inspect_model(&in, 1, &m) && slice_eq(m, SLICE("b")));
}

static void forms_are_read_piece_by_piece(void **state)
{
	static const char body[] =
		"--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n"
		"whisper\r\n--b\r\ncontent-disposition: form-data; name=\"file\"; "
		"filename=\"a\"\r\n\r\nmodel\r\n--b--\r\n";
	struct slice m;

	(void)state;
	assert_int_equal(begin(&form, "multipart/form-data; boundary=b", NULL), EG_REASON_allowed);
	for (size_t i = 0; i < sizeof(body) - 1; i++)
		assert_int_equal(inspect_feed(&in, slice_of(body, i + 1), slice_of(body + i, 1)),
				 EG_REASON_allowed);
	assert_int_equal(inspect_finish(&in, slice_of(body, sizeof(body) - 1)), EG_REASON_allowed);
	assert_true(inspect_model(&in, 0, &m) && slice_eq(m, SLICE("whisper")));
	assert_false(inspect_model(&in, 1, &m));
}

static void types_that_could_be_read_otherwise(void **state)
{
	(void)state;
	assert_int_equal(begin(&chat, NULL, NULL), EG_REASON_allowed);
	assert_int_equal(begin(&chat, "Application/JSON", NULL), EG_REASON_allowed);
	assert_int_equal(begin(&chat, "application/json; charset=UTF-8", NULL), EG_REASON_allowed);
	assert_int_equal(begin(&chat, "application/json;", NULL), EG_REASON_allowed);
	assert_int_equal(begin(&chat, "application/json", "identity"), EG_REASON_allowed);
	assert_int_equal(begin(&chat, "application/json", "gzip"), EG_REASON_body_encoding);
	assert_int_equal(begin(&chat, "application/json", "identity, gzip"),
			 EG_REASON_body_encoding);
	assert_int_equal(begin(&chat, "application/json; charset=utf-16", NULL),
			 EG_REASON_body_type);
	assert_int_equal(begin(&chat, "application/json; charset=utf-8; charset=utf-7", NULL),
			 EG_REASON_body_type);
	assert_int_equal(begin(&chat, "application/jsonp", NULL), EG_REASON_body_type);
	assert_int_equal(begin(&chat, "multipart/form-data; boundary=x", NULL),
			 EG_REASON_body_type);
	assert_int_equal(begin(&chat, "application/x-www-form-urlencoded", NULL),
			 EG_REASON_body_type);
	assert_int_equal(begin(&form, "application/json", NULL), EG_REASON_body_type);
	assert_int_equal(begin(&form, NULL, NULL), EG_REASON_body_type);
	assert_int_equal(begin(&form, "multipart/form-data", NULL), EG_REASON_body_type);
	assert_int_equal(begin(&form, "multipart/mixed; boundary=x", NULL), EG_REASON_body_type);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_are_written_down, start, stop),
		cmocka_unit_test_setup_teardown(missing_ones_are_put_in, start, stop),
		cmocka_unit_test_setup_teardown(nulls_count_as_missing, start, stop),
		cmocka_unit_test_setup_teardown(each_element_of_a_batch, start, stop),
		cmocka_unit_test_setup_teardown(the_way_to_it_is_put_in, start, stop),
		cmocka_unit_test_setup_teardown(models_and_stream_are_found, start, stop),
		cmocka_unit_test_setup_teardown(forms_are_read_piece_by_piece, start, stop),
		cmocka_unit_test_setup_teardown(types_that_could_be_read_otherwise, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of leaves: single flight, failures, expiry, bounds, flush. The test plays the vault. */
#include "tests/unit/tls/serve.h"

static int setup_small(void **state)
{
	return serve_setup_with(state, 2);
}

static void got_done(struct got *g)
{
	SSL_CTX_free(g->ctx);
	g->ctx = NULL;
}

static void test_one_question_however_many_wait(void **state)
{
	struct serve *f = *state;
	struct got a, b, c;

	assert_non_null(serve_get(f, &a, "api.test"));
	assert_non_null(serve_get(f, &b, "api.test"));
	assert_int_equal(f->asked, 1);
	assert_string_equal(f->last.host, "api.test");
	serve_answer(f, &f->last, 0);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	assert_non_null(a.ctx);
	assert_ptr_equal(a.ctx, b.ctx);
	assert_null(serve_get(f, &c, "api.test"));
	assert_ptr_equal(c.ctx, a.ctx);
	assert_int_equal(f->asked, 1);
	got_done(&a);
	got_done(&b);
	got_done(&c);
}

static void test_names_have_their_own_leaves(void **state)
{
	struct serve *f = *state;
	SSL_CTX *a = serve_context(f, "a.test"), *b = serve_context(f, "b.test");

	assert_int_equal(f->asked, 2);
	assert_ptr_not_equal(a, b);
	assert_int_not_equal(EVP_PKEY_eq(SSL_CTX_get0_privatekey(a), SSL_CTX_get0_privatekey(b)),
			     1);
	SSL_CTX_free(a);
	SSL_CTX_free(b);
}

static void test_cancelled_wait_is_not_called(void **state)
{
	struct serve *f = *state;
	struct got a, b;
	struct tls_wait *w = serve_get(f, &a, "api.test");

	assert_non_null(serve_get(f, &b, "api.test"));
	tls_server_cancel(w);
	serve_answer(f, &f->last, 0);
	assert_int_equal(a.calls, 0);
	assert_int_equal(b.calls, 1);
	got_done(&b);
}

static void test_refusal_is_told_and_remembered(void **state)
{
	struct serve *f = *state;
	struct got a, b;

	assert_non_null(serve_get(f, &a, "api.test"));
	tls_server_minted(f->server, SLICE("api.test"), SLICE(""));
	assert_int_equal(a.calls, 1);
	assert_null(a.ctx);
	assert_null(serve_get(f, &b, "api.test"));
	assert_int_equal(b.calls, 1);
	assert_null(b.ctx);
	assert_int_equal(f->asked, 1);
}

/* Answers that must not be believed: each is a refusal. */
static void refuse(struct serve *f, const struct test_leaf *leaf, const char *garbage)
{
	struct slice pem = garbage ? slice_str(garbage) : (struct slice){ NULL, 0 };
	struct got g;

	assert_non_null(serve_get(f, &g, "api.test"));
	if (!garbage)
		pem = test_ca_mint(&f->ca, slice_of(f->last.spki, f->last.spki_n), leaf);
	tls_server_minted(f->server, SLICE("api.test"), pem);
	assert_int_equal(g.calls, 1);
	assert_null(g.ctx);
	assert_int_equal(ERR_peek_error(), 0);
	if (!garbage)
		free((char *)(uintptr_t)pem.p);
}

static void test_leaf_for_another_name(void **state)
{
	refuse(*state, &(struct test_leaf){ .san = "DNS:other.test" }, NULL);
}

static void test_leaf_with_the_name_as_subject_only(void **state)
{
	refuse(*state, &(struct test_leaf){ .cn = "api.test" }, NULL);
}

static void test_leaf_that_has_expired(void **state)
{
	refuse(*state, &(struct test_leaf){ .san = "DNS:api.test", .to_s = -10 }, NULL);
}

static void test_leaf_about_to_expire(void **state)
{
	refuse(*state, &(struct test_leaf){ .san = "DNS:api.test", .to_s = 30 }, NULL);
}

static void test_garbage_for_a_chain(void **state)
{
	refuse(*state, NULL, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
}

static void test_leaf_for_another_key_is_ignored(void **state)
{
	struct serve *f = *state;
	struct test_leaf leaf = { .san = "DNS:api.test" };
	struct slice pem;
	struct got g;
	X509 *x;

	assert_non_null(serve_get(f, &g, "api.test"));
	x = test_ca_sign(&f->ca, f->ca.key, &leaf);
	pem = test_ca_pem(x, NULL);
	tls_server_minted(f->server, SLICE("api.test"), pem);
	assert_int_equal(g.calls, 0);
	serve_answer(f, &f->last, 0);
	assert_non_null(g.ctx);
	free((char *)(uintptr_t)pem.p);
	X509_free(x);
	got_done(&g);
}

static void test_answer_nobody_asked_for(void **state)
{
	struct serve *f = *state;

	tls_server_minted(f->server, SLICE("api.test"), SLICE("x"));
	SSL_CTX_free(serve_context(f, "api.test"));
	serve_answer(f, &f->last, 0);
	assert_int_equal(f->asked, 1);
}

/* Within ten minutes of its end a leaf is still served, and a new one asked for, once. */
static void test_leaf_is_renewed_before_its_end(void **state)
{
	struct serve *f = *state;
	struct got a, b, c;

	assert_non_null(serve_get(f, &a, "api.test"));
	serve_answer(f, &f->last, 300);
	assert_non_null(a.ctx);
	assert_null(serve_get(f, &b, "api.test"));
	assert_ptr_equal(b.ctx, a.ctx);
	assert_int_equal(f->asked, 2);
	got_done(&b);
	assert_null(serve_get(f, &b, "api.test"));
	assert_int_equal(f->asked, 2);
	serve_answer(f, &f->last, 0);
	assert_null(serve_get(f, &c, "api.test"));
	assert_ptr_not_equal(c.ctx, a.ctx);
	assert_int_equal(f->asked, 2);
	got_done(&a);
	got_done(&b);
	got_done(&c);
}

/* The vault refusing a renewal takes nothing away while the old leaf is good. */
static void test_failed_renewal_keeps_the_old_leaf(void **state)
{
	struct serve *f = *state;
	struct got a, b;

	assert_non_null(serve_get(f, &a, "api.test"));
	serve_answer(f, &f->last, 300);
	assert_null(serve_get(f, &b, "api.test"));
	got_done(&b);
	tls_server_minted(f->server, SLICE("api.test"), SLICE(""));
	assert_null(serve_get(f, &b, "api.test"));
	assert_ptr_equal(b.ctx, a.ctx);
	assert_int_equal(f->asked, 2);
	got_done(&a);
	got_done(&b);
}

static void test_cache_is_bounded(void **state)
{
	struct serve *f = *state;
	struct got a, b, c;

	SSL_CTX_free(serve_context(f, "a.test"));
	SSL_CTX_free(serve_context(f, "b.test"));
	SSL_CTX_free(serve_context(f, "a.test"));
	SSL_CTX_free(serve_context(f, "c.test"));
	assert_int_equal(f->asked, 3);
	assert_null(serve_get(f, &a, "a.test")); /* b.test was the one to go */
	assert_non_null(serve_get(f, &b, "b.test"));
	assert_non_null(serve_get(f, &c, "c.test"));
	assert_int_equal(f->asked, 5);
	got_done(&a);
}

static void test_full_of_questions_refuses(void **state)
{
	struct serve *f = *state;
	struct got a, b, c;

	assert_non_null(serve_get(f, &a, "a.test"));
	assert_non_null(serve_get(f, &b, "b.test"));
	assert_null(serve_get(f, &c, "c.test"));
	assert_int_equal(c.calls, 1);
	assert_null(c.ctx);
	assert_int_equal(f->asked, 2);
}

static void test_flush_asks_anew(void **state)
{
	struct serve *f = *state;
	struct question old;
	struct got a;

	SSL_CTX_free(serve_context(f, "a.test"));
	assert_non_null(serve_get(f, &a, "b.test"));
	old = f->last;
	tls_server_flush(f->server);
	assert_int_equal(f->asked, 3);
	assert_string_equal(f->last.host, "b.test");
	serve_answer(f, &old, 0); /* by the CA before */
	assert_int_equal(a.calls, 0);
	serve_answer(f, &f->last, 0);
	assert_non_null(a.ctx);
	got_done(&a);
	SSL_CTX_free(serve_context(f, "a.test"));
	assert_int_equal(f->asked, 4);
}

static void on_ready_flush(void *ctx, SSL_CTX *ssl_ctx)
{
	struct serve *f = ctx;

	assert_non_null(ssl_ctx);
	tls_server_flush(f->server);
	assert_non_null(SSL_CTX_get0_certificate(ssl_ctx));
}

static void test_callback_may_flush(void **state)
{
	struct serve *f = *state;

	assert_non_null(tls_server_get(f->server, SLICE("a.test"), on_ready_flush, f));
	assert_non_null(tls_server_get(f->server, SLICE("a.test"), on_ready_flush, f));
	serve_answer(f, &f->last, 0);
	assert_int_equal(f->asked, 1);
}

static void test_absurd_names_are_refused(void **state)
{
	struct serve *f = *state;
	char name[300];
	struct got g;

	memset(name, 'a', sizeof(name));
	name[254] = '\0';
	assert_null(serve_get(f, &g, ""));
	assert_null(g.ctx);
	assert_null(serve_get(f, &g, name));
	assert_null(g.ctx);
	assert_int_equal(f->asked, 0);
}

static void test_free_with_questions_pending(void **state)
{
	struct serve *f = *state;
	struct got g;

	assert_non_null(serve_get(f, &g, "api.test"));
	f->server = tls_server_free(f->server);
	assert_int_equal(g.calls, 0);
}

#define T(name)	    cmocka_unit_test_setup_teardown(test_##name, serve_setup, serve_teardown)
#define SMALL(name) cmocka_unit_test_setup_teardown(test_##name, setup_small, serve_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_question_however_many_wait),
		T(names_have_their_own_leaves),
		T(cancelled_wait_is_not_called),
		T(refusal_is_told_and_remembered),
		T(leaf_for_another_name),
		T(leaf_with_the_name_as_subject_only),
		T(leaf_that_has_expired),
		T(leaf_about_to_expire),
		T(garbage_for_a_chain),
		T(leaf_for_another_key_is_ignored),
		T(answer_nobody_asked_for),
		T(leaf_is_renewed_before_its_end),
		T(failed_renewal_keeps_the_old_leaf),
		SMALL(cache_is_bounded),
		SMALL(full_of_questions_refuses),
		T(flush_asks_anew),
		T(callback_may_flush),
		T(absurd_names_are_refused),
		T(free_with_questions_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

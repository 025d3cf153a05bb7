/* SPDX-License-Identifier: Apache-2.0 */
/* The nth allocation of the worker fails, for each n in turn: it goes on, leaks nothing, and every
 * request that had a record has it committed. Only allocations of egret's own code fail. */
#include "proxy/lease.h"
#include "tests/unit/proxy/each.h"
#include "tls/server.h"

#ifdef __SANITIZE_ADDRESS__
#define HAS_OWN_MALLOC 0
#else
#define HAS_OWN_MALLOC 1
#endif

#if HAS_OWN_MALLOC

#define WHOLE 400 /* allocations looked at, in a connection with one call */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static __thread long until; /* in the worker's thread: 1 fails the next; 0: none fails */
static __thread bool failed;

extern const char __executable_start, etext; /* egret is linked in; libraries are not */

static bool fails(const char *caller)
{
	if (until == 0 || caller < &__executable_start || caller > &etext || --until > 0)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	/* libev, which has no way to fail, grows its arrays so. */
	return __libc_realloc(p, n);
}

static void set_until(void *arg)
{
	tls_server_flush(rig.w->tls);
	lease_revoke(rig.w->leases, UINT32_MAX);
	until = *(long *)arg;
	failed = false;
}

static void get_failed(void *arg)
{
	*(bool *)arg = failed;
	until = 0;
}

/* The provider, for whoever comes: one answer a connection, so that each call makes a new one. */
static void *serve(void *arg)
{
	static const char answer[] =
		"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
	int listener = *(int *)arg;

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		SSL *ssl;
		char buf[4096];
		size_t n;

		if (fd < 0)
			return NULL;
		rig_limit(fd);
		ssl = SSL_new(rig.provider_ctx);
		TEST_CA_MUST(ssl && SSL_set_fd(ssl, fd));
		if (SSL_accept(ssl) == 1)
			while (SSL_read_ex(ssl, buf, sizeof(buf), &n) == 1 &&
			       SSL_write_ex(ssl, answer, sizeof(answer) - 1, &n) == 1)
				;
		SSL_free(ssl);
		ERR_clear_error();
		close(fd);
	}
}

/* One connection and one call, whatever comes of it. */
static void call(uint64_t process)
{
	struct eg_flow flow = rig_flow(&rig);

	flow.start_ns = process; /* somebody new */
	rig_connect_flow(&rig, &c, &flow);
	if (rig_handshake(&c, rig.client_ctx, RIG_HOST) == 1) {
		static const char text[] = "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
					   "\r\ncontent-length: 24\r\nconnection: close\r\n\r\n"
					   "{\"model\":\"gpt-4o-mini\" }";
		size_t n;

		if (SSL_write_ex(c.ssl, text, sizeof(text) - 1, &n) == 1)
			while (rig_more(&c))
				;
	}
	ERR_clear_error();
	c.text[c.n] = '\0';
	rig_close(&c);
}

static void take_records(void)
{
	while (rig_has_record(&rig))
		;
}

static void each_allocation_fails_in_turn(void **state)
{
	pthread_t t;
	bool hit = true;
	long n;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, serve, &rig.listener), 0);
	call(0); /* what libev and others need once is there */
	take_records();
	for (n = 1; hit && n < WHOLE; n++) {
		rig_do(&rig.at_worker, set_until, &n);
		call((uint64_t)n);
		rig_do(&rig.at_worker, get_failed, &hit);
		take_records();
	}
	assert_true(n > 20 && n < WHOLE);
	/* and serves as ever */
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_until(&c, "\r\n\r\nok");
	assert_int_equal(rig_record(&rig).end, EG_REASON_allowed);
	rig_close(&c);
	(void)shutdown(rig.listener, SHUT_RDWR);
	pthread_join(t, NULL);
}

#else

static void each_allocation_fails_in_turn(void **state)
{
	(void)state;
	print_message("the sanitizer has the allocator; run without it\n");
	skip();
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_in_turn),
	};

	return EACH_RUN(tests);
}

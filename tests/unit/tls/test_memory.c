/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenSSL holds for an idle connection and for a name, counted by its allocator hooks. */
#include "tests/unit/tls/serve.h"

/* Half of the goal of 40 KiB; the rest of the connection has the other half. */
#define IDLE_BYTES_MAX (20 * 1024)
#define NAME_BYTES_MAX (32 * 1024)

/* Whose allocations are counted at the moment. OpenSSL's hooks have no argument to carry it. */
enum owner { OTHERS, SERVER, OWNERS };

struct block {
	size_t n;
	enum owner owner;
};

static enum owner owner;
static size_t held[OWNERS];

static void *on_malloc(size_t n, const char *file, int line)
{
	struct block *b = malloc(sizeof(*b) + n);

	(void)file;
	(void)line;
	if (!b)
		return NULL;
	*b = (struct block){ .n = n, .owner = owner };
	held[owner] += n;
	return b + 1;
}

static void on_free(void *p, const char *file, int line)
{
	struct block *b = p;

	(void)file;
	(void)line;
	if (!p)
		return;
	held[b[-1].owner] -= b[-1].n;
	free(b - 1);
}

static void *on_realloc(void *p, size_t n, const char *file, int line)
{
	struct block *b = p, *grown;

	if (!p)
		return on_malloc(n, file, line);
	grown = realloc(b - 1, sizeof(*b) + n);
	if (!grown)
		return NULL;
	held[grown->owner] += n - grown->n;
	grown->n = n;
	return grown + 1;
}

static void client_step(SSL *ssl)
{
	owner = OTHERS;
	(void)SSL_do_handshake(ssl);
	owner = SERVER;
}

static void idle(void **state, int version)
{
	struct serve *f = *state;
	SSL_CTX *server = serve_context(f, "api.test"), *client = serve_client_context(f);
	char text[2048] = { 0 };
	struct link l;

	assert_true(SSL_CTX_set_max_proto_version(client, version));
	link_open(&l, client, server, "api.test");
	SSL_free(l.server);
	owner = SERVER;
	held[SERVER] = 0;
	l.server = SSL_new(server);
	assert_true(SSL_set_fd(l.server, l.server_fd));
	SSL_set_accept_state(l.server);
	for (unsigned i = 0; i < 4; i++) {
		client_step(l.client);
		(void)SSL_do_handshake(l.server);
	}
	assert_true(SSL_is_init_finished(l.server));
	owner = OTHERS;
	assert_int_equal(SSL_write(l.client, text, sizeof(text)), sizeof(text));
	owner = SERVER;
	assert_int_equal(SSL_read(l.server, text, sizeof(text)), sizeof(text));
	assert_int_equal(SSL_write(l.server, text, sizeof(text)), sizeof(text));
	owner = OTHERS;
	print_message("idle connection, %s: %zu bytes\n", SSL_get_version(l.server), held[SERVER]);
	assert_in_range(held[SERVER], 1, IDLE_BYTES_MAX);
	link_close(&l);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}

static void test_idle_connection_is_small(void **state)
{
	idle(state, TLS1_2_VERSION);
	idle(state, TLS1_3_VERSION);
}

static void test_name_is_small(void **state)
{
	size_t before;

	SSL_CTX_free(serve_context(*state, "first.test"));
	before = held[OTHERS];
	SSL_CTX_free(serve_context(*state, "api.test"));
	print_message("name: %zu bytes\n", held[OTHERS] - before);
	assert_in_range(held[OTHERS] - before, 1, NAME_BYTES_MAX);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, serve_setup, serve_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(idle_connection_is_small),
		T(name_is_small),
	};

	if (!CRYPTO_set_mem_functions(on_malloc, on_realloc, on_free))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

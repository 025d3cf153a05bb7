/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's birth and death; both ends of every descriptor and SSL of upstream/. */
#include <openssl/err.h>

#include "upstream/state.h"

struct conn *conn_new(struct upstream *u, int fd, struct upstream_key *key)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)close(fd);
		return NULL;
	}
	c->upstream = u;
	c->pub.fd = fd;
	c->pub.key = upstream_key_ref(key);
	return c;
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	io_stop(&c->pub.io);
	if (c->pub.ssl) {
		/* Otherwise OpenSSL marks the session, which the key may hold, unfit to resume. */
		SSL_set_shutdown(c->pub.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(c->pub.ssl);
	}
	(void)close(c->pub.fd);
	upstream_key_unref(c->pub.key);
	free(c);
}

void conn_close_politely(struct conn *c)
{
	/* close_notify goes out if there is room; no answer is waited for. */
	(void)SSL_shutdown(c->pub.ssl);
	ERR_clear_error();
	conn_free(c);
}

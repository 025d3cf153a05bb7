/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bare TLS relay: what any proxy that ends TLS on both sides must pay, and nothing else. One
 * thread, epoll, one upstream connection a client connection, bytes copied unread. `make bench`
 * compares egret with it. It checks no certificate and must never be used for anything else.
 *
 *   relay CERT KEY LISTEN_PORT UPSTREAM_IPV4 UPSTREAM_PORT SNI
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RELAY_BUFFER 16384u

struct pair;

/* One TLS end of a pair. out: bytes read from it that the other end has yet to take. */
struct end {
	struct pair *pair;
	struct end *other;
	SSL *ssl;
	int fd;
	size_t at, n;
	char out[RELAY_BUFFER];
};

struct pair {
	struct end client, upstream;
	struct pair *next_dead;
	int dead;
};

struct relay {
	SSL_CTX *server, *outward;
	struct sockaddr_in to;
	const char *sni;
	int listener, epoll;
	struct pair *dead; /* freed after the batch of events that may still name them */
};

static int watch(const struct relay *r, int fd, void *who)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP,
				  .data.ptr = who };

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static void end_free(struct end *e)
{
	if (e->ssl)
		SSL_free(e->ssl);
	if (e->fd >= 0)
		(void)close(e->fd);
}

static void pair_end(struct relay *r, struct pair *p)
{
	if (p->dead)
		return;
	p->dead = 1;
	(void)SSL_shutdown(p->client.ssl);
	(void)SSL_shutdown(p->upstream.ssl);
	ERR_clear_error(); /* or SSL_get_error() of another connection finds what these left */
	p->next_dead = r->dead;
	r->dead = p;
}

static void bury(struct relay *r)
{
	while (r->dead) {
		struct pair *p = r->dead;

		r->dead = p->next_dead;
		end_free(&p->client);
		end_free(&p->upstream);
		free(p);
	}
}

static int nodelay(int fd)
{
	int one = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int dial(const struct relay *r, struct end *e)
{
	e->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0 || nodelay(e->fd) < 0)
		return -1;
	if (connect(e->fd, (const struct sockaddr *)&r->to, sizeof(r->to)) < 0 &&
	    errno != EINPROGRESS)
		return -1;
	e->ssl = SSL_new(r->outward);
	if (!e->ssl || SSL_set_fd(e->ssl, e->fd) != 1 ||
	    SSL_set_tlsext_host_name(e->ssl, r->sni) != 1)
		return -1;
	SSL_set_connect_state(e->ssl);
	return watch(r, e->fd, e);
}

static void accept_one(struct relay *r, int fd)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p) {
		(void)close(fd);
		return;
	}
	p->client = (struct end){ .pair = p, .other = &p->upstream, .fd = fd };
	p->upstream = (struct end){ .pair = p, .other = &p->client, .fd = -1 };
	p->client.ssl = SSL_new(r->server);
	if (!p->client.ssl || nodelay(fd) < 0 || SSL_set_fd(p->client.ssl, fd) != 1 ||
	    dial(r, &p->upstream) < 0) {
		end_free(&p->client);
		end_free(&p->upstream);
		free(p);
		return;
	}
	SSL_set_accept_state(p->client.ssl);
	if (watch(r, fd, &p->client) < 0)
		pair_end(r, p);
}

static void accept_all(struct relay *r)
{
	for (;;) {
		int fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		accept_one(r, fd);
	}
}

/* 1: progress, 0: must wait, -1: over. */
static int step(SSL *ssl, int done)
{
	int why;

	if (done > 0)
		return 1;
	why = SSL_get_error(ssl, done);
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* Moves bytes of one direction as far as they go. */
static int pump(struct end *from)
{
	struct end *to = from->other;

	for (;;) {
		int r;

		if (from->n == from->at) {
			r = SSL_read(from->ssl, from->out, RELAY_BUFFER);
			if (r <= 0)
				return step(from->ssl, r);
			from->at = 0;
			from->n = (size_t)r;
		}
		r = SSL_write(to->ssl, from->out + from->at, (int)(from->n - from->at));
		if (r <= 0)
			return step(to->ssl, r);
		from->at += (size_t)r;
	}
}

static void serve(struct relay *r, struct end *e)
{
	if (e->pair->dead)
		return;
	if (pump(e) < 0 || pump(e->other) < 0)
		pair_end(r, e->pair);
}

static SSL_CTX *make_server(const char *cert, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx && SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static int open_listener(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1024) < 0)
		return -1;
	return fd;
}

static int start(struct relay *r, char **argv)
{
	*r = (struct relay){ .to.sin_family = AF_INET, .sni = argv[6] };
	r->to.sin_port = htons((uint16_t)strtoul(argv[5], NULL, 10));
	if (inet_pton(AF_INET, argv[4], &r->to.sin_addr) != 1)
		return -1;
	r->server = make_server(argv[1], argv[2]);
	r->outward = SSL_CTX_new(TLS_client_method());
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	r->listener = open_listener(argv[3]);
	if (!r->server || !r->outward || r->epoll < 0 || r->listener < 0)
		return -1;
	SSL_CTX_set_mode(r->server,
			 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_set_mode(r->outward,
			 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
	return watch(r, r->listener, NULL);
}

int main(int argc, char **argv)
{
	struct epoll_event events[128];
	struct relay r;

	if (argc != 7) {
		(void)fprintf(stderr,
			      "usage: relay CERT KEY PORT UPSTREAM_IPV4 UPSTREAM_PORT SNI\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (start(&r, argv) < 0) {
		perror("relay");
		return 1;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		int n = epoll_wait(r.epoll, events, 128, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve(&r, events[i].data.ptr);
			else
				accept_all(&r);
		}
		bury(&r);
	}
}

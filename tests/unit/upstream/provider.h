/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider for tests: a TLS server in a child process on a port of 127.0.0.1 that the kernel
 * chooses; every connection is served by a child of its own. It dies with the test.
 *
 * Over TLS the client sends one byte and gets what the table of commands below says.
 */
#pragma once

#include <arpa/inet.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/tls/ca.h"

enum provider_manner {
	PROVIDER_SERVE, /* TLS, then commands */
	PROVIDER_GARBAGE, /* answers the ClientHello with something that is not TLS */
	PROVIDER_RESET, /* resets the connection once the ClientHello is there */
	PROVIDER_CLOSE, /* closes it then */
	PROVIDER_SILENT, /* accepts, and never says a word */
	PROVIDER_H2, /* chooses h2, which nobody offered */
};

/* 'p' -> 'P'
 * 'r' -> 'R' when the session was resumed, 'F' when not
 * 'c' -> 'C', then the connection is closed
 * 'u' -> 'U', then 'X' unasked
 * 't' -> 'T', then a further session ticket */
struct provider {
	pid_t pid;
	uint16_t port;
	struct provider_shared *shared;
};

struct provider_shared {
	atomic_uint accepted, shaken; /* connections; of them with a finished handshake */
};

struct provider_opts {
	enum provider_manner manner;
	const struct test_ca *ca;
	struct test_leaf leaf;
	int max_version; /* 0: 1.3 */
	bool self_signed;
	/* When set: once a ClientHello is there, a byte is written here, and the handshake goes on
	 * when one has been read. */
	int gate;
};

static inline int provider_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
				   const unsigned char *in, unsigned in_n, void *arg)
{
	(void)ssl;
	(void)in;
	(void)in_n;
	*out = arg;
	*out_n = (unsigned char)strlen(arg);
	return SSL_TLSEXT_ERR_OK;
}

static inline SSL_CTX *provider_context(const struct provider_opts *o)
{
	static char http_1_1[] = "http/1.1", h2[] = "h2";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct test_ca self = { .key = key };
	X509 *x;

	TEST_CA_MUST(ctx && key);
	if (o->self_signed) {
		self.cert = test_ca_certificate(key, "self", -3600, 3600);
		x = test_ca_sign(&self, key, &o->leaf);
		TEST_CA_MUST(X509_set_issuer_name(x, X509_get_subject_name(x)) &&
			     X509_sign(x, key, EVP_sha256()));
		X509_free(self.cert);
	} else {
		x = test_ca_sign(o->ca, key, &o->leaf);
	}
	TEST_CA_MUST(SSL_CTX_use_certificate(ctx, x) && SSL_CTX_use_PrivateKey(ctx, key));
	SSL_CTX_set_alpn_select_cb(ctx, provider_on_alpn, o->manner == PROVIDER_H2 ? h2 : http_1_1);
	if (o->max_version)
		TEST_CA_MUST(SSL_CTX_set_max_proto_version(ctx, o->max_version));
	SSL_CTX_set_security_level(ctx, 0);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

static inline void provider_command(SSL *ssl, char command)
{
	char answer = 0;

	switch (command) {
	case 'p':
		answer = 'P';
		break;
	case 'r':
		answer = SSL_session_reused(ssl) ? 'R' : 'F';
		break;
	case 'c':
		answer = 'C';
		break;
	case 'u':
		TEST_CA_MUST(SSL_write(ssl, "U", 1) == 1);
		answer = 'X';
		break;
	case 't':
		TEST_CA_MUST(SSL_write(ssl, "T", 1) == 1 && SSL_new_session_ticket(ssl));
		(void)SSL_do_handshake(ssl);
		return;
	}
	TEST_CA_MUST(SSL_write(ssl, &answer, 1) == 1);
}

static inline void provider_talk(SSL *ssl, struct provider_shared *shared)
{
	char command;

	if (SSL_accept(ssl) != 1)
		return;
	shared->shaken++;
	while (SSL_read(ssl, &command, 1) == 1) {
		provider_command(ssl, command);
		if (command == 'c') {
			(void)SSL_shutdown(ssl);
			return;
		}
	}
}

static inline void provider_connection(const struct provider_opts *o, SSL_CTX *ctx, int fd,
				       struct provider_shared *shared)
{
	const struct linger linger = { .l_onoff = 1 };
	char hello[4096];
	SSL *ssl;

	if (o->gate)
		(void)!(recv(fd, hello, 1, MSG_PEEK) == 1 && write(o->gate, "h", 1) == 1 &&
			read(o->gate, hello, 1) == 1);

	if (o->manner == PROVIDER_SILENT)
		for (;;)
			(void)pause();
	if (o->manner == PROVIDER_SERVE || o->manner == PROVIDER_H2) {
		ssl = SSL_new(ctx);
		TEST_CA_MUST(ssl && SSL_set_fd(ssl, fd));
		provider_talk(ssl, shared);
		SSL_free(ssl);
		return;
	}
	(void)!read(fd, hello, sizeof(hello));
	if (o->manner == PROVIDER_GARBAGE)
		(void)!write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	if (o->manner == PROVIDER_RESET)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static inline void provider_accept(const struct provider_opts *o, SSL_CTX *ctx, int listener,
				   struct provider_shared *shared)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return;
	shared->accepted++;
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(listener);
		provider_connection(o, ctx, fd, shared);
		close(fd);
		_exit(0);
	}
	close(fd);
}

/* A listener on 127.0.0.1, port chosen by the kernel. */
static inline int provider_listen(uint16_t *ret_port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(sin);

	TEST_CA_MUST(fd >= 0 && bind(fd, (struct sockaddr *)&sin, n) == 0 && listen(fd, 64) == 0 &&
		     getsockname(fd, (struct sockaddr *)&sin, &n) == 0);
	*ret_port = ntohs(sin.sin_port);
	return fd;
}

static inline void provider_start(struct provider *p, const struct provider_opts *o)
{
	int listener = provider_listen(&p->port);

	p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_CA_MUST(p->shared != MAP_FAILED);
	p->pid = fork();
	TEST_CA_MUST(p->pid >= 0);
	if (p->pid == 0) {
		SSL_CTX *ctx = provider_context(o);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGPIPE, SIG_IGN);
		(void)signal(SIGCHLD, SIG_IGN);
		for (;;)
			provider_accept(o, ctx, listener, p->shared);
	}
	close(listener);
}

/* Its connections' children die with it. */
static inline void provider_stop(struct provider *p)
{
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	(void)munmap(p->shared, sizeof(*p->shared));
}

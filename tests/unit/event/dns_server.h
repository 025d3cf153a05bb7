/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small DNS server for tests, in a child process, on UDP and TCP of a port of 127.0.0.1 that the
 * kernel chooses. It answers from a table and counts queries in shared memory. It dies with the
 * test. TCP is there for truncated answers.
 */
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum dns_behaviour {
	DNS_ANSWER,
	DNS_NXDOMAIN,
	DNS_SERVFAIL,
	DNS_SILENT,
	DNS_GARBAGE,
	DNS_TRUNCATE, /* over UDP; TCP answers */
};

struct dns_name {
	const char *name;
	enum dns_behaviour behaviour;
	const char *a[20]; /* up to 20 IPv4 addresses */
	const char *aaaa[20]; /* and IPv6 */
	uint32_t ttl;
	const char *cname; /* the addresses stand under this name then */
	uint32_t cname_ttl;
};

struct dns_shared {
	atomic_uint queries, tcp; /* questions seen, of them over TCP */
};

struct dns_server {
	pid_t pid;
	char addr[32]; /* "127.0.0.1:PORT" */
	struct dns_shared *shared;
};

struct dns_out {
	uint8_t b[4096];
	size_t n;
};

static inline void dns_put(struct dns_out *o, const void *p, size_t n)
{
	if (n > sizeof(o->b) - o->n)
		abort();
	memcpy(o->b + o->n, p, n);
	o->n += n;
}

static inline void dns_put16(struct dns_out *o, uint16_t v)
{
	uint16_t be = htons(v);

	dns_put(o, &be, 2);
}

static inline void dns_put_name(struct dns_out *o, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");
		uint8_t len = (uint8_t)n;

		dns_put(o, &len, 1);
		dns_put(o, name, n);
		name += n + (name[n] == '.');
	}
	dns_put(o, "", 1);
}

static inline void dns_put_rr(struct dns_out *o, const char *owner, uint16_t type, uint32_t ttl,
			      const void *data, size_t n)
{
	dns_put_name(o, owner);
	dns_put16(o, type);
	dns_put16(o, 1);
	dns_put16(o, (uint16_t)(ttl >> 16));
	dns_put16(o, (uint16_t)ttl);
	dns_put16(o, (uint16_t)n);
	dns_put(o, data, n);
}

/* Reads the question's name and type; the offset after it, or 0. */
static inline size_t dns_question(const uint8_t *q, size_t n, char name[256], uint16_t *type)
{
	size_t at = 12, out = 0;

	while (at < n && q[at]) {
		size_t len = q[at++];

		if (at + len >= n || out + len + 2 > 256)
			return 0;
		memcpy(name + out, q + at, len);
		out += len;
		name[out++] = '.';
		at += len;
	}
	name[out ? out - 1 : 0] = '\0';
	if (at + 5 > n)
		return 0;
	*type = (uint16_t)(q[at + 1] << 8 | q[at + 2]);
	return at + 5;
}

static inline uint16_t dns_put_answers(struct dns_out *o, const struct dns_name *d, uint16_t type)
{
	const char *const *list = type == 1 ? d->a : d->aaaa;
	const char *owner = d->cname ? d->cname : d->name;
	uint16_t count = 0;

	if (d->cname) {
		struct dns_out target = { .n = 0 };

		dns_put_name(&target, d->cname);
		dns_put_rr(o, d->name, 5, d->cname_ttl, target.b, target.n);
		count++;
	}
	for (size_t i = 0; i < 20 && list[i]; i++) {
		uint8_t addr[16];

		if (inet_pton(type == 1 ? AF_INET : AF_INET6, list[i], addr) != 1)
			abort();
		dns_put_rr(o, owner, type, d->ttl, addr, type == 1 ? 4 : 16);
		count++;
	}
	return count;
}

/* The answer to q, its length; 0: stay silent. */
static inline size_t dns_answer(const struct dns_name *names, const uint8_t *q, size_t n, bool tcp,
				struct dns_out *o)
{
	const struct dns_name *d = names;
	char name[256];
	uint16_t type = 0, count;
	size_t end = n > 12 ? dns_question(q, n, name, &type) : 0;
	uint16_t flags = 0x8180;

	o->n = 0;
	if (!end)
		return 0;
	while (d->name && strcasecmp(d->name, name) != 0)
		d++;
	if (d->name && d->behaviour == DNS_SILENT)
		return 0;
	if (d->name && d->behaviour == DNS_GARBAGE) {
		dns_put(o, q, 2);
		dns_put(o, "\x81\x80\0\1\0\xff\0\0\0\0\xc0\xff\xc0\xff", 14);
		return o->n;
	}
	if (!d->name || d->behaviour == DNS_NXDOMAIN)
		flags |= 3;
	else if (d->behaviour == DNS_SERVFAIL)
		flags |= 2;
	else if (d->behaviour == DNS_TRUNCATE && !tcp)
		flags |= 0x0200;
	dns_put(o, q, end);
	count = flags == 0x8180 && (type == 1 || type == 28) ? dns_put_answers(o, d, type) : 0;
	o->b[2] = (uint8_t)(flags >> 8);
	o->b[3] = (uint8_t)flags;
	memcpy(o->b + 6, &(uint16_t){ htons(count) }, 2);
	memset(o->b + 8, 0, 4);
	return o->n;
}

static inline void dns_serve_tcp(const struct dns_name *names, int fd, struct dns_shared *shared)
{
	uint8_t q[512], len[2];
	struct dns_out o;

	while (recv(fd, len, 2, MSG_WAITALL) == 2) {
		size_t n = (size_t)(len[0] << 8 | len[1]);

		if (n > sizeof(q) || recv(fd, q, n, MSG_WAITALL) != (ssize_t)n)
			break;
		shared->queries++;
		shared->tcp++;
		n = dns_answer(names, q, n, true, &o);
		if (!n)
			break;
		len[0] = (uint8_t)(n >> 8);
		len[1] = (uint8_t)n;
		if (send(fd, len, 2, MSG_NOSIGNAL) != 2 || send(fd, o.b, n, MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
}

static inline void dns_serve(const struct dns_name *names, int udp, int tcp,
			     struct dns_shared *shared)
{
	struct pollfd p[2] = { { .fd = udp, .events = POLLIN }, { .fd = tcp, .events = POLLIN } };

	while (poll(p, 2, -1) > 0) {
		if (p[0].revents) {
			struct sockaddr_in from;
			socklen_t from_n = sizeof(from);
			uint8_t q[512];
			struct dns_out o;
			ssize_t n =
				recvfrom(udp, q, sizeof(q), 0, (struct sockaddr *)&from, &from_n);

			if (n < 0)
				break;
			shared->queries++;
			if (dns_answer(names, q, (size_t)n, false, &o))
				(void)!sendto(udp, o.b, o.n, 0, (struct sockaddr *)&from, from_n);
		}
		if (p[1].revents)
			dns_serve_tcp(names, accept(tcp, NULL, NULL), shared);
	}
	_exit(0);
}

/* names ends with an entry whose name is NULL. */
static inline void dns_server_start(struct dns_server *s, const struct dns_name *names)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(sin);
	int udp, tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* The same port for both: TCP's choice is taken for UDP, again if that one is in use. */
	for (;;) {
		sin.sin_port = 0;
		udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (udp < 0 || bind(udp, (struct sockaddr *)&sin, n) < 0 ||
		    getsockname(udp, (struct sockaddr *)&sin, &n) < 0)
			abort();
		if (bind(tcp, (struct sockaddr *)&sin, n) == 0)
			break;
		close(udp);
	}
	if (listen(tcp, 8) < 0)
		abort();
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->shared == MAP_FAILED)
		abort();
	(void)snprintf(s->addr, sizeof(s->addr), "127.0.0.1:%u", ntohs(sin.sin_port));
	s->pid = fork();
	if (s->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		dns_serve(names, udp, tcp, s->shared);
	}
	if (s->pid < 0)
		abort();
	close(udp);
	close(tcp);
}

static inline void dns_server_stop(struct dns_server *s)
{
	(void)kill(s->pid, SIGKILL);
	(void)waitpid(s->pid, NULL, 0);
	(void)munmap(s->shared, sizeof(*s->shared));
}

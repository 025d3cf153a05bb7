/* SPDX-License-Identifier: Apache-2.0 */
#include "event/dns.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SERVERS_TEXT_MAX 1024u
#define EDNS_SIZE	 1232 /* what passes every path unfragmented (DNS flag day 2020) */

/* One of c-ares's sockets, while it waits for something. */
struct dns_sock {
	struct dns_sock *next;
	struct dns *dns;
	struct io io;
};

struct dns {
	struct loop *loop;
	struct dns_opts opts;
	ares_channel channel;
	struct dns_sock *socks;
	struct timer timer;
	bool finished; /* a dns_fn ran, and on_rest not since */
	bool moving; /* to other servers: what is cancelled is asked again there */
	struct query *again;
};

struct query {
	struct query *next; /* in dns.again */
	struct dns *dns;
	dns_fn fn;
	void *ctx;
	char name[];
};

/* Sockets are made by us: close-on-exec and non-blocking at birth, and no fcntl(2) under seccomp.
 */
static ares_socket_t on_socket(int family, int type, int proto, void *ctx)
{
	(void)ctx;
	return socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
}

static int on_close(ares_socket_t fd, void *ctx)
{
	(void)ctx;
	return close(fd);
}

static int on_connect(ares_socket_t fd, const struct sockaddr *sa, ares_socklen_t n, void *ctx)
{
	(void)ctx;
	return connect(fd, sa, n);
}

static ares_ssize_t on_recvfrom(ares_socket_t fd, void *p, size_t n, int flags, struct sockaddr *sa,
				ares_socklen_t *ret_n, void *ctx)
{
	(void)ctx;
	return recvfrom(fd, p, n, flags, sa, ret_n);
}

static ares_ssize_t on_sendv(ares_socket_t fd, const struct iovec *iov, int n, void *ctx)
{
	struct msghdr mh = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };

	(void)ctx;
	return sendmsg(fd, &mh, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
	.asocket = on_socket,
	.aclose = on_close,
	.aconnect = on_connect,
	.arecvfrom = on_recvfrom,
	.asendv = on_sendv,
};

static void on_timeout(struct timer *t);

/* After each entry into c-ares: its next deadline; at once when there are answers to act on. */
static void rearm(struct dns *d)
{
	struct timeval tv, *next = ares_timeout(d->channel, NULL, &tv);

	if (d->finished)
		timer_start(&d->timer, d->loop, 0, on_timeout);
	else if (next)
		timer_start(&d->timer, d->loop,
			    (uint64_t)next->tv_sec * 1000000u + (uint64_t)next->tv_usec + 1000,
			    on_timeout);
	else
		timer_stop(&d->timer);
}

static void process(struct dns *d, int readable, int writable)
{
	ares_process_fd(d->channel, readable, writable);
	d->finished = false;
	d->opts.on_rest(d->opts.ctx);
	rearm(d);
}

static void on_timeout(struct timer *t)
{
	process(container_of(t, struct dns, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_ready(struct io *io, int events)
{
	struct dns *d = container_of(io, struct dns_sock, io)->dns;
	int fd = io_fd(io); /* the watcher may be freed by c-ares closing its socket */

	process(d, events & IO_READ ? fd : ARES_SOCKET_BAD,
		events & IO_WRITE ? fd : ARES_SOCKET_BAD);
}

static void on_sock_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct dns *d = ctx;
	struct dns_sock **at = &d->socks, *s;
	int events = (readable ? IO_READ : 0) | (writable ? IO_WRITE : 0);

	while (*at && io_fd(&(*at)->io) != fd)
		at = &(*at)->next;
	s = *at;
	if (!events) {
		if (!s)
			return;
		io_stop(&s->io);
		*at = s->next;
		free(s);
		return;
	}
	if (s) {
		io_want(&s->io, events);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return; /* the query times out */
	s->dns = d;
	s->next = d->socks;
	d->socks = s;
	io_start(&s->io, d->loop, fd, events, on_ready);
}

static int set_servers(struct dns *d, const char *const *servers, size_t n_servers)
{
	char text[SERVERS_TEXT_MAX];
	size_t n = 0;

	if (!n_servers)
		return 0;
	for (size_t i = 0; i < n_servers; i++) {
		int r = snprintf(text + n, sizeof(text) - n, "%s%s", i ? "," : "", servers[i]);

		if (r < 0 || (size_t)r >= sizeof(text) - n)
			return -EINVAL;
		n += (size_t)r;
	}
	return ares_set_servers_ports_csv(d->channel, text) == ARES_SUCCESS ? 0 : -EINVAL;
}

int dns_new(struct loop *l, const struct dns_opts *opts, struct dns **ret)
{
	static const char lookups[] = "b"; /* DNS only */
	struct dns *d = calloc(1, sizeof(*d));
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
		.timeout = opts->timeout_ms ? (int)opts->timeout_ms : 2000,
		.tries = opts->tries ? (int)opts->tries : 2,
		.lookups = (char *)(uintptr_t)lookups,
		.sock_state_cb = on_sock_state,
		.sock_state_cb_data = d,
		.ednspsz = EDNS_SIZE,
	};
	int r;

	if (!d)
		return -ENOMEM;
	d->loop = l;
	d->opts = *opts;
	r = ares_init_options(&d->channel, &o,
			      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				      ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB |
				      ARES_OPT_EDNSPSZ);
	if (r != ARES_SUCCESS) {
		free(d);
		return r == ARES_ENOMEM ? -ENOMEM : -EIO;
	}
	ares_set_socket_functions(d->channel, &socket_functions, d);
	r = set_servers(d, opts->servers, opts->n_servers);
	/* They were the caller's, for this call. */
	d->opts.servers = NULL;
	if (r < 0) {
		dns_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

struct dns *dns_free(struct dns *d)
{
	if (!d)
		return NULL;
	ares_destroy(d->channel); /* runs the callbacks of what is pending, closes its sockets */
	timer_stop(&d->timer);
	while (d->socks) {
		struct dns_sock *s = d->socks;

		d->socks = s->next;
		io_stop(&s->io);
		free(s);
	}
	free(d);
	return NULL;
}

static int error_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
	case ARES_EBADNAME:
		return -ENOENT;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ENOMEM:
		return -ENOMEM;
	case ARES_ECANCELLED:
	case ARES_EDESTRUCTION:
		return -ECANCELED;
	default:
		return -EAGAIN;
	}
}

static bool take_addr(const struct sockaddr *sa, struct eg_addr *ret)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		*ret = (struct eg_addr){ .a = { 0, 0, htonl(0xffff), in->sin_addr.s_addr } };
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(ret, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
		       sizeof(*ret));
		return true;
	}
	return false;
}

static void min_ttl(uint32_t *ttl, int seen)
{
	if (seen >= 0 && (uint32_t)seen < *ttl)
		*ttl = (uint32_t)seen;
}

static void on_addrinfo(void *ctx, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct query *q = ctx;
	struct eg_addr addrs[DNS_ADDRS_MAX];
	uint32_t ttl = UINT32_MAX;
	size_t n = 0;
	int error = error_of(status);

	(void)timeouts;
	if (error == 0 && ai) {
		for (struct ares_addrinfo_cname *c = ai->cnames; c; c = c->next)
			min_ttl(&ttl, c->ttl);
		for (struct ares_addrinfo_node *a = ai->nodes; a && n < DNS_ADDRS_MAX;
		     a = a->ai_next) {
			min_ttl(&ttl, a->ai_ttl);
			n += take_addr(a->ai_addr, &addrs[n]);
		}
	}
	if (ai)
		ares_freeaddrinfo(ai);
	if (error == -ECANCELED && q->dns->moving) {
		q->next = q->dns->again;
		q->dns->again = q;
		return;
	}
	if (error == 0 && n == 0)
		error = -ENOENT;
	q->dns->finished = true;
	q->fn(q->ctx, error, addrs, n, n ? ttl : 0);
	free(q);
}

static void ask(struct query *q)
{
	/* Sorting would probe routes with connect(2); happy eyeballs finds out better. */
	static const struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT,
							  .ai_family = AF_UNSPEC,
							  .ai_socktype = SOCK_STREAM };

	ares_getaddrinfo(q->dns->channel, q->name, NULL, &hints, on_addrinfo, q);
}

/* c-ares cannot change the servers under its queries, so these are taken out and asked anew: who
 * waits for them notices nothing. A new channel would read resolv.conf and the random key. */
int dns_set_servers(struct dns *d, const char *const *servers, size_t n)
{
	int r;

	d->moving = true;
	ares_cancel(d->channel);
	d->moving = false;
	r = set_servers(d, servers, n);
	while (d->again) {
		struct query *q = d->again;

		d->again = q->next;
		ask(q);
	}
	rearm(d);
	return r;
}

void dns_query(struct dns *d, const char *name, dns_fn fn, void *ctx)
{
	size_t n = strlen(name) + 1;
	struct query *q = malloc(sizeof(*q) + n);

	if (q) {
		*q = (struct query){ .dns = d, .fn = fn, .ctx = ctx };
		memcpy(q->name, name, n);
		ask(q);
	} else {
		d->finished = true;
		fn(ctx, -ENOMEM, NULL, 0, 0);
	}
	rearm(d);
}

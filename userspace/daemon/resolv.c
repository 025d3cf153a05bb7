/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/resolv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/slice.h"
#include "daemon/file_watch.h"
#include "daemon/nameservers.h"
#include "daemon/warnings.h"

#define SERVERS_MAX 64u
#define FILE_MAX    65535u
#define SUBJECT	    "resolv.conf"

struct list {
	struct eg_addr addr[SERVERS_MAX];
	unsigned n;
};

struct resolv {
	struct resolv_opts opts;
	struct list now;
	struct file_watch *watch;
};

/* O_NONBLOCK: a FIFO in its place must not hold the daemon up. */
static int read_file(const char *file, struct list *ret)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = malloc(FILE_MAX);
	struct stat st;
	ssize_t n;

	*ret = (struct list){ 0 };
	if (!text)
		return -ENOMEM;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	n = read(fd, text, FILE_MAX);
	if (n < 0)
		return -errno;
	ret->n = nameservers_parse(slice_of(text, (size_t)n), ret->addr, SERVERS_MAX);
	return ret->n ? 0 : -ENODATA;
}

static void log_change(const struct resolv *r)
{
	char text[512] = "", one[INET6_ADDRSTRLEN];
	size_t n = 0;

	for (size_t i = 0; i < r->now.n && n + sizeof(one) + 1 < sizeof(text); i++) {
		const struct eg_addr *a = &r->now.addr[i];
		bool v4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)a);

		(void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &a->a[3] : &a->a[0], one,
				sizeof(one));
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? "," : "", one);
	}
	log_info("%s names other servers now: %s", r->opts.file, text);
}

void resolv_look(struct resolv *r)
{
	struct list fresh;
	int error = read_file(r->opts.file, &fresh);

	if (error < 0) {
		warnings_set(r->opts.warnings, SUBJECT,
			     "%s: %s: the name servers that it named before stay in use: write "
			     "`nameserver` lines there, or `resolvers` in egret.json",
			     r->opts.file,
			     error == -ENODATA ? "it names no server" : strerror(-error));
		return;
	}
	warnings_clear(r->opts.warnings, SUBJECT);
	if (memcmp(&fresh, &r->now, sizeof(fresh)) == 0)
		return;
	r->now = fresh;
	log_change(r);
	r->opts.on_change(r->opts.ctx);
}

static void on_event(void *ctx)
{
	resolv_look(ctx);
}

int resolv_new(const struct resolv_opts *o, struct resolv **ret)
{
	struct resolv *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->opts = *o;
	error = file_watch_new(o->loop, o->file, on_event, r, &r->watch);
	if (error < 0)
		warnings_set(o->warnings, SUBJECT,
			     "%s cannot be watched: %s: restart egretd when it changes", o->file,
			     strerror(-error));
	/* Without servers a host may do with `resolvers`, or with one of its own at 127.0.0.1. */
	(void)!read_file(o->file, &r->now);
	*ret = r;
	return 0;
}

struct resolv *resolv_free(struct resolv *r)
{
	if (!r)
		return NULL;
	r->watch = file_watch_free(r->watch);
	free(r);
	return NULL;
}

void resolv_each(const struct resolv *r, resolv_fn fn, void *ctx)
{
	for (size_t i = 0; i < r->now.n; i++)
		fn(ctx, &r->now.addr[i]);
}

static bool is_link_local(const struct eg_addr *a)
{
	return (ntohl(a->a[0]) & 0xffc00000u) == 0xfe800000u;
}

void resolv_servers(const struct resolv *r, struct eg_resolvers *ret)
{
	*ret = (struct eg_resolvers){ 0 };
	for (size_t i = 0; i < r->now.n && ret->n < EG_RESOLVERS_MAX; i++)
		if (!is_link_local(&r->now.addr[i]))
			ret->addr[ret->n++] = r->now.addr[i];
}

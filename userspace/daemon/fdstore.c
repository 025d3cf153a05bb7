/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fdstore.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/slice.h"
#include "control/patience.h"
#include "daemon/notify.h"
#include "dataplane/dataplane.h"
#include "egret/abi.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define FDS_MAX	 4096u

static const struct {
	const char *name;
	int family;
} groups[] = { { "egret-tcp4", AF_INET }, { "egret-tcp6", AF_INET6 } };

static bool has_option(int fd, int option, int value)
{
	int v = 0;
	socklen_t n = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, option, &v, &n) == 0 && v == value;
}

static bool is_at_home(int fd)
{
	_cleanup_close_ int own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t here, there;

	return own >= 0 && dataplane_socket_netns(own, &here) == 0 &&
	       dataplane_socket_netns(fd, &there) == 0 && here == there;
}

static bool is_listener(int fd, int family)
{
	struct sockaddr_storage at = { 0 };
	const struct sockaddr_in *in4 = (const void *)&at;
	const struct sockaddr_in6 *in6 = (const void *)&at;
	socklen_t n = sizeof(at);

	if (!has_option(fd, SO_DOMAIN, family) || !has_option(fd, SO_TYPE, SOCK_STREAM) ||
	    !has_option(fd, SO_PROTOCOL, IPPROTO_TCP) || !has_option(fd, SO_ACCEPTCONN, 1) ||
	    getsockname(fd, (struct sockaddr *)&at, &n) < 0 || !is_at_home(fd))
		return false;
	if (family == AF_INET)
		return in4->sin_port == htons(EG_PROXY_PORT) &&
		       in4->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
	return in6->sin6_port == htons(EG_PROXY_PORT) && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static bool is_control(int fd)
{
	return has_option(fd, SO_DOMAIN, AF_UNIX) && has_option(fd, SO_TYPE, SOCK_STREAM) &&
	       has_option(fd, SO_ACCEPTCONN, 1) && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

/* Appends fd to its family's group, which is made when it is the first. */
static int add_listener(struct fdstore *s, int fd, int family)
{
	uint64_t netns = 0;
	json_t *group;
	size_t i;

	json_array_foreach(
		s->listeners, i,
		group) if (json_integer_value(json_object_get(group, "family")) ==
			   family) return json_array_append_new(json_object_get(group, "fds"),
								json_integer(fd));
	if (dataplane_socket_netns(fd, &netns) < 0)
		return -1;
	group = json_pack("{si sI s[i]}", "family", family, "netns", (json_int_t)netns, "fds", fd);
	return json_array_append_new(s->listeners, group);
}

/* False: it stays nobody's. */
static bool take(struct fdstore *s, int fd, struct slice name)
{
	if (slice_eq(name, SLICE("control")) && s->control < 0 && is_control(fd)) {
		patience_refuse_rights(fd);
		s->control = fd;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (slice_eq(name, slice_str(groups[i].name)) &&
		    is_listener(fd, groups[i].family) && add_listener(s, fd, groups[i].family) == 0)
			return true;
	return false;
}

static struct slice next_name(const char **names)
{
	struct slice name = slice_str(*names ? *names : "");
	const char *end = memchr(name.p, ':', name.n);

	*names = end ? end + 1 : NULL;
	return end ? slice_of(name.p, (size_t)(end - name.p)) : name;
}

/* How many were passed to us, and not to whoever started us. */
static unsigned passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	unsigned long n;
	char *end;

	if (!pid || !fds || strtoul(pid, &end, 10) != (unsigned long)getpid() || *end)
		return 0;
	n = strtoul(fds, &end, 10);
	return *end || n > FDS_MAX ? 0 : (unsigned)n;
}

int fdstore_take(struct fdstore *ret)
{
	const char *names = getenv("LISTEN_FDNAMES");
	unsigned n = passed();
	bool has_bad = false;

	*ret = (struct fdstore){ .listeners = json_array(), .control = -EBADF };
	if (!ret->listeners)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		struct slice name = next_name(&names);
		int fd = FIRST_FD + (int)i;

		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			continue;
		if (take(ret, fd, name))
			continue;
		log_warn("a descriptor that the service manager passed is not what its name says "
			 "and is closed: name=%.*s",
			 name.n > 64 ? 64 : (int)name.n, name.p);
		(void)close(fd);
		has_bad = true;
	}
	/* Its copies would go on taking connections that nobody accepts; the good are kept again.
	 */
	if (has_bad)
		fdstore_forget();
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return 0;
}

void fdstore_close(struct fdstore *s)
{
	json_t *group, *fd;
	size_t i, k;

	json_array_foreach(s->listeners, i, group)
		json_array_foreach(json_object_get(group, "fds"), k, fd)(void)
			close((int)json_integer_value(fd));
	json_decref(s->listeners);
	s->listeners = NULL;
	if (s->control >= 0)
		(void)close(s->control);
	s->control = -EBADF;
}

static const char *name_of(const json_t *group)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (groups[i].family == json_integer_value(json_object_get(group, "family")))
			return groups[i].name;
	return NULL;
}

void fdstore_keep(const json_t *listeners)
{
	json_t *group, *fd;
	size_t i, k;

	json_array_foreach(listeners, i, group)
	{
		const char *name = name_of(group);
		char text[64];

		if (!name)
			continue;
		(void)snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
		json_array_foreach(json_object_get(group, "fds"), k, fd)
			notify_fd(text, (int)json_integer_value(fd));
	}
}

void fdstore_forget(void)
{
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		(void)snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", groups[i].name);
		notify(text);
	}
}

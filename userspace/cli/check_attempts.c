/* SPDX-License-Identifier: Apache-2.0 */
/* egret check --attack: the attempts. See check_attack.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/slice.h"
#include "cli/check_attack.h"
#include "egret/abi.h"

#define WAIT_MS	   2000 /* for a connection that nobody stopped */
#define OTHER_PORT 8443
#define MPTCP	   262
#define PROBE_MARK 0x6567

#define BOTH	   (1u << ATTEMPT_IPV4 | 1u << ATTEMPT_IPV6)
#define EVERY	   (BOTH | 1u << ATTEMPT_MAPPED | 1u << ATTEMPT_NAT64)

/* A port is at the same place in both families. */
static union attempt_address with_port(const union attempt_address *to, uint16_t port)
{
	union attempt_address a = *to;

	a.v4.sin_port = htons(port);
	return a;
}

static bool is_loopback(const union attempt_address *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr) && a->v6.sin6_addr.s6_addr[12] == 127);
}

/* After a call of a socket that does not block: where did it lead? */
static int connected(int fd, long result)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	union attempt_address own = { 0 };
	socklen_t n = sizeof(own);
	int error = 0;

	if (result < 0 && errno != EINPROGRESS)
		return -errno;
	if (poll(&p, 1, WAIT_MS) != 1)
		return 0; /* on its way to somebody who does not answer */
	if (getsockname(fd, &own.sa, &n) < 0)
		return -errno;
	n = sizeof(error);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error)
		return error ? -error : -errno;
	return is_loopback(&own) ? ATTEMPT_REDIRECTED : 0;
}

static int make(const union attempt_address *to, int type, int protocol)
{
	return socket(to->sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

static int dial(const union attempt_address *to, socklen_t n, int protocol)
{
	_cleanup_close_ int fd = make(to, SOCK_STREAM, protocol);

	return fd < 0 ? -errno : connected(fd, connect(fd, &to->sa, n));
}

static int tcp(const union attempt_address *to, socklen_t n)
{
	return dial(to, n, 0);
}

static int other_port(const union attempt_address *to, socklen_t n)
{
	union attempt_address a = with_port(to, OTHER_PORT);

	return dial(&a, n, 0);
}

static int multipath(const union attempt_address *to, socklen_t n)
{
	return dial(to, n, MPTCP);
}

/* The SYN carries no data: there is no cookie for it. */
static int fast_open(const union attempt_address *to, socklen_t n)
{
	_cleanup_close_ int fd = make(to, SOCK_STREAM, 0);

	return fd < 0 ? -errno : connected(fd, sendto(fd, "", 0, MSG_FASTOPEN, &to->sa, n));
}

static int marked(const union attempt_address *to, socklen_t n)
{
	_cleanup_close_ int fd = make(to, SOCK_STREAM, 0);
	int mark = PROBE_MARK;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return -errno;
	return connected(fd, connect(fd, &to->sa, n));
}

static int listener(const union attempt_address *to, socklen_t n)
{
	union attempt_address a = with_port(to, EG_PROXY_PORT);

	return dial(&a, n, 0);
}

static int bind_port(const union attempt_address *to, socklen_t n)
{
	union attempt_address a = with_port(to, EG_PROXY_PORT);
	_cleanup_close_ int fd = make(to, SOCK_STREAM, 0);

	return fd < 0 || bind(fd, &a.sa, n) < 0 ? -errno : 0;
}

static int send_one(const union attempt_address *to, socklen_t n, int type, int protocol)
{
	_cleanup_close_ int fd = make(to, type, protocol);

	return fd < 0 || sendto(fd, "", 1, MSG_NOSIGNAL, &to->sa, n) < 0 ? -errno : 0;
}

static int udp(const union attempt_address *to, socklen_t n)
{
	return send_one(to, n, SOCK_DGRAM, 0);
}

static int udp_no_family(const union attempt_address *to, socklen_t n)
{
	_cleanup_close_ int fd = make(to, SOCK_DGRAM, 0);
	union attempt_address a = *to;

	a.sa.sa_family = AF_UNSPEC; /* IPv4 to the kernel, here */
	return fd < 0 || sendto(fd, "", 1, 0, &a.sa, n) < 0 ? -errno : 0;
}

static int connect_and_send(const union attempt_address *to, socklen_t n, int protocol)
{
	_cleanup_close_ int fd = make(to, SOCK_DGRAM, protocol);

	if (fd < 0 || connect(fd, &to->sa, n) < 0)
		return -errno;
	return send(fd, "", 1, 0) < 0 ? -errno : 0;
}

static int udp_connected(const union attempt_address *to, socklen_t n)
{
	return connect_and_send(to, n, 0);
}

static int udplite(const union attempt_address *to, socklen_t n)
{
	return connect_and_send(to, n, IPPROTO_UDPLITE);
}

static int raw(const union attempt_address *to, socklen_t n)
{
	union attempt_address a = with_port(to, 0);

	return send_one(&a, n, SOCK_RAW, 253); /* for experiments, RFC 3692 */
}

static int ping(const union attempt_address *to, socklen_t n)
{
	bool v4 = to->sa.sa_family == AF_INET;
	_cleanup_close_ int fd = make(to, SOCK_DGRAM, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	const uint8_t echo[8] = { v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST };
	union attempt_address a = with_port(to, 0);

	return fd < 0 || sendto(fd, echo, sizeof(echo), 0, &a.sa, n) < 0 ? -errno : 0;
}

/* Only asked for: nothing is sent on it. */
static int source_route(const union attempt_address *to, socklen_t n)
{
	_cleanup_close_ int fd = make(to, SOCK_DGRAM, 0);
	uint8_t option[8] = { 131, 7, 4 }; /* loose source route, by one address */

	(void)n;
	memcpy(option + 3, &to->v4.sin_addr, 4);
	return fd < 0 || setsockopt(fd, IPPROTO_IP, IP_OPTIONS, option, sizeof(option)) < 0 ? -errno
											    : 0;
}

const struct attempt attempts[] = {
	{ "tcp", " connect egress ", EVERY, false, tcp },
	{ "tcp, another port", " connect egress ", EVERY, false, other_port },
	{ "tcp fast open", " connect egress ", EVERY, false, fast_open },
	{ "tcp with a mark", " connect egress ", BOTH, false, marked },
	{ "multipath tcp", " sock_create ", BOTH, false, multipath },
	{ "udp", " sendmsg egress ", EVERY, false, udp },
	{ "udp, connected", " connect egress ", EVERY, false, udp_connected },
	{ "udp, no family", " sendmsg egress ", 1u << ATTEMPT_IPV4, false, udp_no_family },
	{ "udp-lite", " sock_create egress ", BOTH, false, udplite },
	{ "raw socket", " sock_create egress ", BOTH, false, raw },
	{ "ping socket", " egress ", BOTH, false, ping },
	{ "source route", " setsockopt ", 1u << ATTEMPT_IPV4, false, source_route },
	{ "egret's listener", " connect ", BOTH, true, listener },
	{ "egret's port", " bind ", BOTH, true, bind_port },
};
const size_t n_attempts = ARRAY_SIZE(attempts);

const char *attempt_family_name(enum attempt_family f)
{
	static const char *const names[ATTEMPT_FAMILIES] = { "ipv4", "ipv6", "mapped", "nat64" };

	return names[f];
}

bool attempt_address(const char *text, enum attempt_family f, union attempt_address *ret,
		     socklen_t *ret_n)
{
	char embedded[INET6_ADDRSTRLEN + 16];
	bool v6 = strchr(text, ':') != NULL;

	memset(ret, 0, sizeof(*ret));
	*ret_n = f == ATTEMPT_IPV4 ? sizeof(ret->v4) : sizeof(ret->v6);
	ret->sa.sa_family = f == ATTEMPT_IPV4 ? AF_INET : AF_INET6;
	*ret = with_port(ret, 443);
	if (v6 != (f == ATTEMPT_IPV6))
		return false;
	if (f == ATTEMPT_IPV4)
		return inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1;
	(void)snprintf(embedded, sizeof(embedded), "%s%s",
		       f == ATTEMPT_MAPPED  ? "::ffff:"
		       : f == ATTEMPT_NAT64 ? "64:ff9b::"
					    : "",
		       text);
	return inet_pton(AF_INET6, embedded, &ret->v6.sin6_addr) == 1;
}

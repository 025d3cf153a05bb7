/* SPDX-License-Identifier: Apache-2.0 */
/* UDP-Lite, whose connect() no hook sees, and protocols that few kernels have. */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net.h>
#include <unistd.h>

#define DCCP_SERVICE 2
#define SMC_IPV4     0
#define SMC_IPV6     1

static int lite_connected(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_DGRAM, IPPROTO_UDPLITE);

	if (connect(fd, &t->to.sa, t->n) < 0)
		return -errno;
	return saw(send(fd, "data", 4, 0));
}

static int lite_to_address(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_DGRAM, IPPROTO_UDPLITE);

	return saw(sendto(fd, "data", 4, 0, &t->to.sa, t->n));
}

static int lite_spliced(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_DGRAM, IPPROTO_UDPLITE), p[2];

	if (pipe(p) < 0 || write(p[1], "data", 4) != 4)
		give_up("pipe");
	if (connect(fd, &t->to.sa, t->n) < 0)
		return -errno;
	return saw(splice(p[0], NULL, fd, NULL, 4, 0));
}

static int sctp(const struct target *t)
{
	return talk(make_socket(t->family, SOCK_STREAM, IPPROTO_SCTP), t);
}

static int sctp_one_to_many(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_SEQPACKET, IPPROTO_SCTP);

	return saw(sendto(fd, "data", 4, 0, &t->to.sa, t->n));
}

static int dccp(const struct target *t)
{
	return talk(make_socket(t->family, SOCK_DCCP, IPPROTO_DCCP), t);
}

static int smc(const struct target *t)
{
	return talk(make_socket(AF_SMC, SOCK_STREAM, t->family == AF_INET ? SMC_IPV4 : SMC_IPV6),
		    t);
}

static int smc_protocol(const struct target *t)
{
	return talk(make_socket(t->family, SOCK_STREAM, 256), t); /* IPPROTO_SMC */
}

static int l2tp(const struct target *t)
{
	int fd = make_socket(t->family, SOCK_DGRAM, 115);

	return saw(sendto(fd, "data", 4, 0, &t->to.sa, t->n));
}

static int tipc(const struct target *t)
{
	(void)t;
	return make_socket(AF_TIPC, SOCK_DGRAM, 0) < 0;
}

static int rds(const struct target *t)
{
	int fd = make_socket(AF_RDS, SOCK_SEQPACKET, 0);

	return saw(sendto(fd, "data", 4, 0, &t->to.sa, t->n));
}

const struct attack attacks_lite[] = {
	{ "udplite-connected", lite_connected },
	{ "udplite-sendto", lite_to_address },
	{ "udplite-spliced", lite_spliced },
	{ "sctp", sctp },
	{ "sctp-one-to-many", sctp_one_to_many },
	{ "dccp", dccp },
	{ "smc", smc },
	{ "smc-protocol", smc_protocol },
	{ "l2tp", l2tp },
	{ "tipc", tipc },
	{ "rds", rds },
	{ NULL, NULL },
};

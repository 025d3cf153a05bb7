/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to send a packet to an address, each as a process would try it: what tests/bypass runs as a
 * workload, and, as the twin that proves the way to work, outside of the enforced cgroups. Each is
 * a row of a table of its file; attack.c runs one.
 *
 * An attack does its best and returns what its caller saw: 0, or the negative errno of the call
 * that failed. It says nothing of what arrived: the test counts that at the far side of the wire.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct target {
	int family; /* of the sockets to make */
	union address to; /* where to get */
	union address free; /* of the same family, not governed */
	union address own; /* of this host, same family, port 0 */
	socklen_t n; /* of each address */
	const char *device; /* the way out */
	const char *gateway; /* hardware address behind it, as 12 hex digits */
	const char *cgroup; /* directory to move to, for those that do; NULL */
};

struct attack {
	const char *name;
	int (*run)(const struct target *t);
};

/* Each ends with a row without a name. */
extern const struct attack attacks_stream[], attacks_option[], attacks_datagram[], attacks_lite[],
	attacks_raw[], attacks_route[], attacks_frame[], attacks_uring[], attacks_passed[],
	attacks_race[], attacks_flood[];

/* A socket that is closed at exit; the process ends with the errno when there is none. */
int make_socket(int family, int type, int protocol);
/* Connects, says a line and waits for the other end to close: 0, or the errno of connect(). */
int talk(int fd, const struct target *t);
/* After connect() returned r: the same. */
int talk_on(int fd, int r);
/* 0 for a call that returned at least 0, else its errno, negative. */
int saw(long result);
/* Ends the process: the attack could not be tried at all, which is no result. */
_Noreturn void give_up(const char *what);

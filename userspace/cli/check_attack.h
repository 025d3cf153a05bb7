/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attempts of `egret check --attack`: ways to reach a governed address past egret that do no
 * harm where they succeed (a handshake, a datagram of one byte), each a function that makes one try
 * in the calling process. check_attack.c puts that process into a cgroup, and judges.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum attempt_family { ATTEMPT_IPV4, ATTEMPT_IPV6, ATTEMPT_MAPPED, ATTEMPT_NAT64, ATTEMPT_FAMILIES };

union attempt_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* What a try returns besides 0 (the caller saw success) and -errno. */
#define ATTEMPT_REDIRECTED 1 /* connected, and the own end is a loopback address: to egret */

struct attempt {
	const char *name;
	const char *hooks; /* those that may stop it, without 4 or 6, with spaces around each */
	unsigned families; /* a bit each of enum attempt_family */
	bool is_local; /* needs no governed address: tried once a family */
	int (*run)(const union attempt_address *to, socklen_t n);
};

extern const struct attempt attempts[];
extern const size_t n_attempts;

const char *attempt_family_name(enum attempt_family f);
/* A governed address ("203.0.113.10" or "2001:db8::1") in a family's form, port 443; false: it has
 * none. */
bool attempt_address(const char *text, enum attempt_family f, union attempt_address *ret,
		     socklen_t *ret_n);

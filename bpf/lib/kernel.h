/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What every program includes first: kernel types, helpers, and uapi numbers that BTF lacks. */
#pragma once

#include "vmlinux.h"

#define _LINUX_TYPES_H /* vmlinux.h has them; the uapi header would define them again */

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET		   2
#define AF_INET6	   10

#define ERR_EPERM	   1

#define SOL_SOCKET	   1
#define SO_BINDTOIFINDEX   62
#define IPV6_2292RTHDR	   5
#define IPV6_2292PKTOPTS   6
#define IPV6_RTHDR	   57
#define IP_OPTIONS	   4
#define TCP_REPAIR	   19
#define PF_KTHREAD	   0x00200000
#define IPPROTO_ICMPV6	   58
#define IPPROTO_MPTCP_NUM  262
#define TCP_LISTEN_STATE   10
#define TCP_SYN_SENT_STATE 2

/* The kernel's own context behind ours: sock_addr programs get no helper for the socket's cgroup.
 */
extern void *bpf_cast_to_kern_ctx(void *obj) __ksym;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

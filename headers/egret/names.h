/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Names and places that more than one process or program must agree on. */
#pragma once

/* BPF maps: X(name, layout, what it holds). At most 15 characters each. The layout is a number that
 * changes with what key or value mean: another version of egret then makes a map of its own. */
#define EG_MAPS(X)                                                                                 \
	X(eg_stamp, 1, "sockets of egret itself, the only exemption")                              \
	X(eg_cflow, 1, "flow record on the client's socket")                                       \
	X(eg_aflow, 1, "flow record on the accepted socket")                                       \
	X(eg_tuple, 1, "flow records between SYN and accept")                                      \
	X(eg_endpoint, 1, "governed addresses")                                                    \
	X(eg_count, 1, "decisions by hook and reason")                                             \
	X(eg_events, 1, "kernel events")                                                           \
	X(eg_limit, 1, "rate of events by cgroup and reason")                                      \
	X(eg_name, 1, "names whose addresses are learned from DNS")                                \
	X(eg_resolver, 2, "resolvers whose answers are believed")                                  \
	X(eg_own_dns, 1, "resolvers of workloads' own network namespaces")                         \
	X(eg_learned, 1, "addresses learned from DNS and server names, by cgroup")                 \
	X(eg_netns, 1, "network namespaces that have a listener")                                  \
	X(eg_veth, 1, "devices of workloads' network namespaces")                                  \
	X(eg_switch, 1, "whether policy has modes at all")                                         \
	X(eg_mode, 1, "capture and egress of a cgroup")                                            \
	X(eg_allow, 1, "addresses on allow-lists")                                                 \
	X(eg_allow_name, 1, "names on allow-lists")                                                \
	X(eg_allow_rule, 1, "what a rule of an allow-list lets through")                           \
	X(eg_allowed, 1, "addresses of allowed names, by cgroup")                                  \
	X(eg_asked, 1, "names of addresses that are not allowed, by cgroup")                       \
	X(eg_open, 1, "sockets that a rule or a peer opened")                                      \
	X(eg_trip, 2, "connections whose server name was looked for")                              \
	X(eg_sni, 1, "server names being read")

/* BPF programs: X(name, attach point as bpftool prints it, attached in this order). */
#define EG_PROGS(X)                                                                                \
	X(eg_egress, "cgroup_inet_egress")                                                         \
	X(eg_ingress, "cgroup_inet_ingress")                                                       \
	X(eg_sendmsg4, "cgroup_udp4_sendmsg")                                                      \
	X(eg_sendmsg6, "cgroup_udp6_sendmsg")                                                      \
	X(eg_sock_create, "cgroup_inet_sock_create")                                               \
	X(eg_setsockopt, "cgroup_setsockopt")                                                      \
	X(eg_bind4, "cgroup_inet4_bind")                                                           \
	X(eg_bind6, "cgroup_inet6_bind")                                                           \
	X(eg_getpeername4, "cgroup_inet4_getpeername")                                             \
	X(eg_getpeername6, "cgroup_inet6_getpeername")                                             \
	X(eg_sockops, "cgroup_sock_ops")                                                           \
	X(eg_connect4, "cgroup_inet4_connect")                                                     \
	X(eg_connect6, "cgroup_inet6_connect")

#define EG_CONFIG_DIR	 "/etc/egret"
#define EG_CONFIG_FILE	 EG_CONFIG_DIR "/egret.json"
#define EG_POLICY_FILE	 EG_CONFIG_DIR "/policy.json"
#define EG_STATE_DIR	 "/var/lib/egret"
#define EG_RUN_DIR	 "/run/egret"
#define EG_SOCKET	 EG_RUN_DIR "/control.sock"
#define EG_BPFFS_DIR	 EG_RUN_DIR "/bpf" /* private bpffs; links are pinned here, maps never */
#define EG_CA_BUNDLE	 EG_RUN_DIR "/ca-bundle.pem" /* system store and egret's CA, for everyone */
#define EG_CA_CERT	 EG_RUN_DIR "/ca.pem" /* egret's CA only, world-readable */

#define EG_USER_WORKER	 "egret-worker"
#define EG_USER_VAULT	 "egret-vault"
#define EG_USER_RECORDER "egret-recorder"

/* Below the attached cgroup: egret/run/WORKLOAD/ID is where `egret run` puts a command. */
#define EG_CGROUP_RUN	 "egret/run"

/* What a workload may hold in place of a key. Not secret; it means "egret, put yours in".
 * A catalogue entry puts the provider's own prefix in front ("sk-ant-" ...). */
#define EG_PLACEHOLDER	 "egret-placeholder"

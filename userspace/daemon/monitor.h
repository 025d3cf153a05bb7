/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor: the root process. What its parts share, and the order in which they come and go.
 * It never parses a byte from the network, never reads a key, and never blocks on a child.
 *
 * STARTING ──children ready, CA loaded──► RESOLVING ──every name tried──► SERVING
 *     │ anything fails: the process ends, with words        │ SIGTERM, daemon.stop
 *     ▼                                                     ▼
 *   exit 1                                              STOPPING ──children gone──► exit 0
 *
 * Enforcement goes on after the end, refusing governed connections, unless `release` was asked for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "daemon/config.h"
#include "daemon/fdstore.h"
#include "event/loop.h"

enum monitor_phase {
	MONITOR_STARTING,
	MONITOR_RESOLVING,
	MONITOR_SERVING,
	MONITOR_STOPPING,
};

/* Each part is made by monitor_start.c, freed by monitor.c, and used through its own header. */
struct monitor {
	struct loop *loop;
	const struct config_where *where;
	struct config *config;
	bool has_socket_unit; /* the control socket is the service manager's */
	struct fdstore fdstore; /* what the service manager had for us, during the start */
	json_t *taken; /* what an earlier generation left us, during the start; or NULL */
	uint64_t generation; /* how often this pid has executed a binary, from 1 */
	unsigned attests; /* that were asked for and not yet answered */
	int upgrade_fd; /* whoever asked for this generation waits here; or -EBADF */
	struct upgrade *upgrade; /* under way, or NULL */
	enum monitor_phase phase;
	bool release; /* take enforcement away at the end */
	int status; /* of the process */
	uint64_t started_us; /* wall clock */
	uint8_t fingerprint_key[32];
	struct warnings *warnings;
	struct dataplane *dp;
	struct identity *identity;
	struct edition *edition; /* in force */

	struct resolv *resolv; /* the host's name servers */
	struct endpoints *endpoints;
	struct sweeper *sweeper;
	struct modes *modes;
	struct listeners *listeners;
	struct namespaces *namespaces;
	struct events *events;
	struct event_store *event_store;
	struct children *children;
	struct watchdog *watchdog;
	struct anchor *anchor;
	struct credentials *credentials;
	struct runs *runs;
	struct control_server *control;
	struct request *waits_for_credentials; /* held until all have been read; or NULL */
	struct timer start_limit, resolve_limit, ca_again;
	struct sig sigterm, sigint, sighup;
};

/* Runs the daemon, from what is behind takeover_fd (handover.h) unless it is negative; returns the
 * exit status. */
int monitor_main(const struct config_where *where, int takeover_fd) _must_check_;

/* SIGTERM, SIGINT and SIGHUP wait: while we start (the kernel gives up the verification of a
 * program for a signal), and across the execve() of an upgrade, where their default would be the
 * end. */
void monitor_hold_signals(bool hold);

/* Some part came up or was tried: goes on to the next phase when everything is there. */
void monitor_advance(struct monitor *m);
/* Cannot go on: ends the daemon with status 1. Before MONITOR_SERVING only. */
void monitor_fail(struct monitor *m, const char *fmt, ...) _printf_(2, 3);
/* Ends the daemon in order. */
void monitor_stop(struct monitor *m, bool release);
const char *monitor_phase_name(enum monitor_phase phase);

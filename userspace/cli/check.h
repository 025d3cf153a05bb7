/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of `egret check`: what was looked at, whether it is well, what was found, what to do.
 * Each group of checks is a function in its file; none of them changes anything.
 */
#pragma once

#include "cli/out.h"

enum check_state { CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct check {
	struct cli *cli;
	struct out_list list; /* JSON formats only */
	bool has_failed;
	char cgroup[256]; /* where enforcement is, as the daemon says; empty: it does not */
	bool has_daemon;
	bool may_not_ask; /* egretd is there, and does not answer this user */
	long long daemon_pid; /* 0: it does not say */
};

/* advice NULL: nothing is to be done. */
int check_row(struct check *c, const char *name, enum check_state state, const char *advice,
	      const char *fmt, ...) _printf_(5, 6) _must_check_;

/* Each returns 0 or a negative number that was noted: not that a check failed. */
int check_daemon(struct check *c) _must_check_; /* check.c */
int check_kernel(struct check *c) _must_check_; /* check_kernel.c */
int check_hooks(struct check *c) _must_check_; /* check_hooks.c */
int check_listeners(struct check *c) _must_check_;
int check_trust(struct check *c) _must_check_; /* check_trust.c */

/* Tries to get around egret instead, and prints what came of it; NULL: any workload. 1: something
 * passed; negative: noted. check_attack.c. */
int check_attack(struct cli *cli, const char *workload) _must_check_;

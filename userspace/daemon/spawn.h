/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that the monitor forks, by pidfd: each dies with it. A pidfd is -EBADF where there is
 * no process.
 */
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "base/cleanup.h"

/* As fork(): in the new process 0, with no signal blocked; only system calls until it executes
 * something or calls _exit(). Here its number, good until spawn_reap(); or -errno. */
pid_t spawn(int *ret_pidfd) _must_check_;
void spawn_kill(int pidfd); /* SIGKILL */
/* Waits for its end, closes the pidfd. ret may be NULL; zeroed where there is no process. */
void spawn_reap(int *pidfd, siginfo_t *ret);

/* SPDX-License-Identifier: Apache-2.0 */
#include "control/patience.h"

#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* include/uapi/asm-generic/socket.h, from Linux 6.16 */
#endif

#define PATIENCE_US 20000

void patience_refuse_rights(int listen_fd)
{
	const int off = 0;

	(void)setsockopt(listen_fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

bool patience_is_needed(int listen_fd)
{
	socklen_t n = sizeof(int);
	int on = 1;

	return getsockopt(listen_fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &n) < 0 || on;
}

static void on_alarm(int sig)
{
	(void)sig; /* to be pending is all it is for */
}

static void set(suseconds_t us)
{
	const struct itimerval every = { { 0, us }, { 0, us } };

	(void)setitimer(ITIMER_REAL, &every, NULL);
}

void patience_begin(void)
{
	const struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	(void)sigaction(SIGALRM, &act, NULL);
	set(PATIENCE_US);
}

void patience_end(void)
{
	set(0);
}

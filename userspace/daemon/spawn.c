/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/spawn.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin(pid_t parent)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		_exit(126);
}

pid_t spawn(int *ret_pidfd)
{
	pid_t parent = getpid(), pid = fork();
	int r;

	if (pid == 0) {
		begin(parent);
		return 0;
	}
	if (pid < 0)
		return -errno;
	/* Ours and not yet waited for: the number cannot be another's. */
	*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (*ret_pidfd < 0) {
		r = -errno;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	return pid;
}

void spawn_kill(int pidfd)
{
	if (pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

void spawn_reap(int *pidfd, siginfo_t *ret)
{
	siginfo_t info = { 0 };

	if (*pidfd >= 0)
		while (waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED) < 0 && errno == EINTR)
			;
	cleanup_close(pidfd);
	*pidfd = -EBADF;
	if (ret)
		*ret = info;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/netns.h"

#include <fcntl.h>
#include <sched.h>

int netns_enter(int netns_fd, int *ret_home)
{
	_cleanup_close_ int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0 || setns(netns_fd, CLONE_NEWNET) < 0)
		return -errno;
	*ret_home = TAKE_FD(home);
	return 0;
}

void netns_leave(int home)
{
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	cleanup_close(&home);
}

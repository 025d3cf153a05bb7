/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/memory.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* More than the vault ever maps, libraries included. */
#define LOCK_ALL_FROM (256ull * 1024 * 1024)

int memory_protect(bool *ret_all)
{
	struct rlimit core = { 0, 0 }, lock;

	*ret_all = false;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &core) < 0 ||
	    getrlimit(RLIMIT_MEMLOCK, &lock) < 0)
		return -errno;
	if (lock.rlim_cur < lock.rlim_max) {
		lock.rlim_cur = lock.rlim_max;
		if (setrlimit(RLIMIT_MEMLOCK, &lock) < 0)
			return -errno;
	}
	if (lock.rlim_cur < LOCK_ALL_FROM)
		return 0;
	*ret_all = mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
	return 0;
}

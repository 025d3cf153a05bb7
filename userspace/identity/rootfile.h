/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small file by its path below a process's own root directory, whoever made that and whatever it
 * holds. Nothing in it can make the caller wait: what lies on the way must be in the kernel's
 * caches already (who uses such a file has just read it), and a file is read only where no process
 * stands behind the file system. Neither does anything lead out of the root.
 */
#pragma once

#include "base/cleanup.h"
#include "identity/exe.h"

/*
 * Reads PATH (without a leading slash) as the process of `dir`, an open /proc/PID, has it; a NUL is
 * added. *key: what was read the last time, and now. Length; -EALREADY: that content it was;
 * -EAGAIN: not in the caches, perhaps later; -EFBIG: size bytes or more; -EPERM: not on a file
 * system that can be read without waiting; -EINVAL: not a regular file; -ESRCH: the process is
 * gone; other errors as of open().
 */
ssize_t rootfile_read(int dir, const char *path, struct exe_key *key, char *ret,
		      size_t size) _must_check_;

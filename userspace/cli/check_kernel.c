/* SPDX-License-Identifier: Apache-2.0 */
/* egret check: what the kernel offers. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/check.h"
#include "dataplane/cgroup.h"

/* bpf_cast_to_kern_ctx(), in the gate; SO_PEERPIDFD, for `egret run` without a race. */
#define NEEDED_MAJOR 6u
#define NEEDED_MINOR 2u
#define WANTED_MINOR 5u

static int check_version(struct check *c)
{
	struct utsname u;
	unsigned major = 0, minor = 0, have;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return check_row(c, "kernel", CHECK_WARN, NULL, "its version cannot be read");
	have = major * 1000 + minor;
	if (have < NEEDED_MAJOR * 1000 + NEEDED_MINOR)
		return check_row(c, "kernel", CHECK_FAIL, "run Linux 6.2 or later",
				 "Linux %s lacks functions that the programs call", u.release);
	if (have < NEEDED_MAJOR * 1000 + WANTED_MINOR)
		return check_row(c, "kernel", CHECK_WARN, "prefer Linux 6.5 or later",
				 "Linux %s cannot tell a control client from a later process with "
				 "its pid",
				 u.release);
	return check_row(c, "kernel", CHECK_OK, NULL, "Linux %s", u.release);
}

static int check_btf(struct check *c)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
		return check_row(c, "btf", CHECK_OK, NULL, "/sys/kernel/btf/vmlinux");
	return check_row(c, "btf", CHECK_FAIL, "run a kernel built with CONFIG_DEBUG_INFO_BTF",
			 "/sys/kernel/btf/vmlinux: %s", strerror(errno));
}

static bool has_filesystem(const char *name)
{
	FILE *f = fopen("/proc/filesystems", "re");
	char line[128];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *tab = strchr(line, '\t');

		line[strcspn(line, "\n")] = '\0';
		found = tab && strcmp(tab + 1, name) == 0;
	}
	if (f)
		(void)fclose(f);
	return found;
}

static int check_bpffs(struct check *c)
{
	if (has_filesystem("bpf"))
		return check_row(c, "bpffs", CHECK_OK, NULL, "the kernel has it");
	return check_row(c, "bpffs", CHECK_FAIL, "run a kernel built with CONFIG_BPF_SYSCALL",
			 "the kernel has no file system of type bpf");
}

static int check_cgroup2(struct check *c)
{
	char mount[256];
	int r = cgroup_mount(mount, sizeof(mount));

	if (r == 0)
		return check_row(c, "cgroup2", CHECK_OK, NULL, "mounted at %s", mount);
	return check_row(c, "cgroup2", CHECK_FAIL, "mount -t cgroup2 none /sys/fs/cgroup",
			 "no cgroup2 is mounted: %s", strerror(-r));
}

int check_kernel(struct check *c)
{
	static int (*const checks[])(struct check *) = { check_version, check_btf, check_bpffs,
							 check_cgroup2 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = checks[i](c);
	return r;
}

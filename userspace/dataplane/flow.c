/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's one use of BPF: see flow.h. The raw system call, allowed by its seccomp filter. */
#include "dataplane/flow.h"

#include <linux/bpf.h>
#include <stdint.h>
#include <sys/syscall.h>

int flow_take(int flow_fd, int accepted_fd, struct eg_flow *ret)
{
	struct eg_flow flow = { 0 };
	union bpf_attr attr = {
		.map_fd = (uint32_t)flow_fd,
		.key = (uintptr_t)&accepted_fd,
		.value = (uintptr_t)&flow,
	};

	if (syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) < 0)
		return -errno;

	*ret = flow;
	return 0;
}

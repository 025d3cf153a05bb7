/* SPDX-License-Identifier: Apache-2.0 */
/* What the dataplane's life does with the backstop. Private to dataplane/. */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/diag.h"

struct dataplane;

struct veth {
	struct veth *next;
	uint32_t ifindex;
	int link_fd;
};

/* Finds the pins of an earlier daemon: this build's program from now on. */
int veth_adopt(struct dataplane *dp, struct diag *d) _must_check_;
/* Takes away what is pinned; needs no dataplane. */
int veth_unpin_all(const char *pins, struct diag *d) _must_check_;
void veth_close(struct dataplane *dp); /* closes fds; the pins hold */

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that outlive egretd at the service manager: the listeners of its own network
 * namespace, which systemd keeps from one run to the next (FDSTORE of sd_notify(3),
 * FileDescriptorStoreMax=), so that connections made in between wait instead of being refused; and
 * the control socket that a socket unit made (sd_listen_fds(3)). Names: "egret-tcp4", "egret-tcp6",
 * "control".
 */
#pragma once

#include "base/json.h"

struct fdstore {
	json_t *listeners; /* as listeners_hand_over() writes it; NULL: none */
	int control; /* listens; or -EBADF */
};

/* Takes what the environment says was passed to this process, once; what is not what its name says
 * is closed. -ENOMEM. */
int fdstore_take(struct fdstore *ret) _must_check_;
void fdstore_close(struct fdstore *s); /* what nobody has taken over */
/* Gives the manager a copy of each. What it has already it keeps once. */
void fdstore_keep(const json_t *listeners);
/* It keeps nothing of ours any more. */
void fdstore_forget(void);

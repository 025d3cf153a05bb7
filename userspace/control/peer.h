/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a unix socket, from the kernel. Private to control/. */
#pragma once

#include "control/server.h"

/* Fills *ret from a connected socket; -errno when the kernel will not say: then nobody is served.
 */
int peer_read(int fd, struct control_peer *ret) _must_check_;
void peer_clear(struct control_peer *p);
bool peer_is_in_group(const struct control_peer *p, gid_t group);

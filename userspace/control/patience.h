/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that a client could make long. Descriptors may ride on what it sends (unix(7), SCM_RIGHTS);
 * nobody here wants them, but the kernel closes them in whoever reads the bytes or hangs up, and a
 * TCP socket with SO_LINGER makes its last close wait for its peer. Linux 6.16 lets a listener
 * refuse them at the sender (SO_PASSRIGHTS); before, such waits are cut short by a signal, as
 * nothing else does. Private to control/.
 */
#pragma once

#include <stdbool.h>

/* Refuses descriptors on a listening socket and all that it will accept, where the kernel can. */
void patience_refuse_rights(int listen_fd);
/* Whether they may come all the same. */
bool patience_is_needed(int listen_fd);
/* Between the two, no close waits longer than some milliseconds. They do not nest. */
void patience_begin(void);
void patience_end(void);

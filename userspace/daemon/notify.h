/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the service manager how the daemon does (sd_notify(3)), without its library. */
#pragma once

/* "READY=1", "RELOADING=1\n...", "STOPPING=1", "STATUS=..."; nothing happens where nobody asked
 * ($NOTIFY_SOCKET). */
void notify(const char *state);
/* The same with a descriptor beside it, which stays the caller's. */
void notify_fd(const char *state, int fd);
/* RELOADING=1 with the time that systemd wants beside it. */
void notify_reloading(void);

/* SPDX-License-Identifier: Apache-2.0 */
/* A short visit to another network namespace. Private to dataplane/. */
#pragma once

#include "base/cleanup.h"

/* Enters the namespace; *ret_home brings back. */
int netns_enter(int netns_fd, int *ret_home) _must_check_;
/* A monitor that cannot come home would open everything in a workload's namespace: it dies. */
void netns_leave(int home);

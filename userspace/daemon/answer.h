/* SPDX-License-Identifier: Apache-2.0 */
/* What children ask of the monitor: sockets, who a caller is, and what they tell it. */
#pragma once

#include "daemon/monitor.h"

#define ANSWER_RECORDER "recorder" /* subject of the warning that records are not stored */

struct child;
struct msg;

/* A message that its channel let through; the child may be wrong or hostile all the same. */
void answer_msg(struct monitor *m, struct child *child, struct msg *msg);

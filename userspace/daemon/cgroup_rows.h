/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that look at every cgroup: made in slices when the loop has nothing else to do, because
 * there may be thousands. The request is kept meanwhile, and ended here.
 */
#pragma once

#include "control/server.h"
#include "daemon/monitor.h"
#include "dataplane/cgroup_walk.h"

#define CGROUP_ROWS_ENDED 1 /* the request has been ended: nothing is left to do */

/* Makes the rows of one cgroup: 0, CGROUP_ROWS_ENDED, or negative: nothing more is to be made. */
typedef int (*cgroup_rows_fn)(struct monitor *m, struct request *req, const struct cgroup_item *i);

/* wanted: fn is to end the request at the cgroup of this path, borrowed from its arguments, or the
 * path is said not to be there; NULL: after the last it is ended here. */
void cgroup_rows(struct monitor *m, struct request *req, cgroup_rows_fn fn, const char *wanted);

/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker says of itself and its connections when the monitor asks (`conns` in rpc.h). */
#pragma once

#include "base/buf.h"

struct worker;

#define REPORT_MAX 60000u

/* Appends the JSON text; rows from position `from` on as far as they fit, if wanted. 0 or -errno.
 */
int report_write(struct worker *w, bool rows, unsigned from, struct buf *ret) _must_check_;

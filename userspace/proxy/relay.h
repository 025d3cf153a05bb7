/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's answer on its way to the client: read as it comes, framed anew, its bytes
 * untouched. It reads no further while the client has not taken what is there.
 */
#pragma once

#include "base/cleanup.h"

struct exchange;

/* A parser for the answer of this request. -ENOMEM. */
int relay_begin(struct exchange *x) _must_check_;
/* Reads what there is and hands it on. May end the exchange. */
void relay_run(struct exchange *x);

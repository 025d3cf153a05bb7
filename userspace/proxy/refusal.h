/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer egret itself gives, for a denial or a failure: the provider's own error shape, so that
 * SDKs understand it; a message that says what happened and what to do; status and retry behaviour
 * that stop clients from trying again what cannot work.
 */
#pragma once

#include "base/cleanup.h"
#include "egret/reasons.h"

struct exchange;

/* Hands a whole answer to the carrier. detail: what it is about, or NULL. 0 or -errno. */
int refusal_write(struct exchange *x, enum eg_reason reason, const char *detail) _must_check_;
/* What a person can do about it; "" where there is nothing to say. */
const char *refusal_advice(enum eg_reason reason);

/* SPDX-License-Identifier: Apache-2.0 */
/* What a person can do about an event, in words. Names in events come from workloads and their
 * resolvers: they are shown, never believed. */
#pragma once

#include <stddef.h>

#include "egret/abi.h"

#define ADVICE_MAX 256 /* bytes that are always enough */

/* "" where the text of the reason says all. */
const char *advice_reason(enum eg_reason reason);
/* The same with what this event is about; cut to fit. */
void advice_event(const struct eg_event *e, char *to, size_t n);

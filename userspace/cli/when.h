/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations as people write and read them. Microseconds, UTC; now is a parameter. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define WHEN_MAX 32 /* bytes of any text made here */

/* "90s", "30m", "12h", "7d" (ago), or RFC 3339 ("2026-01-31T12:00:00Z", with fractions and
 * offsets; "2026-01-31" is its first moment) to microseconds since 1970. -EINVAL. */
int when_parse(const char *s, uint64_t now_us, uint64_t *ret) _must_check_;
/* "2026-01-31T12:00:00.123Z". */
void when_format(uint64_t wall_us, char to[WHEN_MAX]);
/* "312us", "4.2ms", "1.5s", "3m12s", "4h02m", "12d03h". */
void when_format_duration(uint64_t us, char to[WHEN_MAX]);

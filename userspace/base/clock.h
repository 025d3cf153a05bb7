/* SPDX-License-Identifier: Apache-2.0 */
/* Time in microseconds, the only unit inside egret. Pure code takes time as a parameter. */
#pragma once

#include <stdint.h>

/* CLOCK_MONOTONIC. */
uint64_t clock_mono_us(void);
/* CLOCK_REALTIME, since 1970. */
uint64_t clock_wall_us(void);

/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons and hooks by the names that records, events and scripts have for them. */
#pragma once

#include <stdint.h>

const char *reason_name(uint32_t reason); /* enum eg_reason: "no_rule"; "unknown" */
const char *hook_name(uint32_t hook); /* enum eg_hook: "connect4"; "unknown" */

/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons and hooks by the names that records, events and scripts have for them. */
#pragma once

#include <stdint.h>

const char *reason_name(uint32_t reason); /* enum eg_reason: "no_rule"; "unknown" */
const char *reason_text(uint32_t reason); /* for people: "no policy rule allows ..." */
unsigned reason_status(uint32_t reason); /* HTTP status of an answer; 0: there is none */
const char *hook_name(uint32_t hook); /* enum eg_hook: "connect4"; "unknown" */

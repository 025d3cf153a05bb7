/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions and explanations as the JSON that people and scripts see (control/PROTOCOL.md,
 * `policy.explain`): one spelling for the daemon, the command and the tests. */
#pragma once

#include "base/json.h"
#include "policy/explain.h"

/* {decision, rule, text, credential, max_tokens, headers, shadow_rule, shadow_decision}, without
 * what is empty. NULL: out of memory. */
json_t *answer_decision(const struct policy_decision *d) _must_check_;
/* {id, effect, shadow, applies, failed, label, wanted}, likewise. */
json_t *answer_rule(const struct policy_explained *e) _must_check_;

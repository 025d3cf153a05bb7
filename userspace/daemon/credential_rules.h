/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that give a credential which nobody has: what they allow would be denied (no_credential).
 */
#pragma once

#include "base/json.h"
#include "daemon/credentials.h"
#include "policy/policy.h"

/* An array of texts, one a rule, the first few of them; NULL: out of memory. */
json_t *credential_rules_unserved(const struct policy *p, const struct credentials *c) _must_check_;

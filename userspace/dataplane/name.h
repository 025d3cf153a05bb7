/* SPDX-License-Identifier: Apache-2.0 */
/* Host names and patterns of the catalogue in the form eg_ingress looks up. Pure. */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"
#include "egret/abi.h"

/*
 * "api.openai.com" stands for itself, "*.openai.azure.com" for what ends so, "a.*.b.com" for what
 * also begins with "a.". Of a pattern with more stars, the part between is not looked at: more is
 * redirected, and the server name decides. -EINVAL: not such a name, or too long.
 */
int name_rule(struct slice pattern, uint32_t provider, struct eg_name_key *ret_key,
	      struct eg_name *ret_rule) _must_check_;
/* Widens `into` to what both stand for; they have one key. */
void name_merge(struct eg_name *into, const struct eg_name *more);

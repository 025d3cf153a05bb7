/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request is, from its head alone: for which provider and operation, with whose key, with
 * what kind of body. Takes the caller's credential out first, whatever comes after.
 */
#pragma once

#include "base/cleanup.h"
#include "egret/reasons.h"

struct exchange;

/* allowed, or why it is refused before policy is asked; *ret_detail then says about what (or is
 * untouched). */
enum eg_reason classify_request(struct exchange *x, const char **ret_detail) _must_check_;

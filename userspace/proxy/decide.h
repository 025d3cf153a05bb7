/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy's answer to a request whose facts are all known, and the obligations that come with it. A
 * body may name several models (a batch): each must be allowed, and under the same credential.
 */
#pragma once

#include "base/cleanup.h"
#include "egret/reasons.h"

struct exchange;

/* Fills x->verdict and the record, and holds the body to the cap. *ret_detail as in classify.h. */
enum eg_reason decide_request(struct exchange *x, const char **ret_detail) _must_check_;

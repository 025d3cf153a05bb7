/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer must not take to the client: the key it was asked with, which some providers
 * repeat in part when they refuse it. An answer that may say so (401, 403) is held until it is
 * whole and has been looked at; of others only the fields are. Works while the exchange holds its
 * lease, before and after which there is no key to look for.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"
#include "proto/http.h"

struct exchange;

/* The provider refuses the key (401), or it may (403): then the answer is held from here on. */
bool guard_is_refusal(const struct exchange *x, const struct http_response *r);
bool guard_begin(struct exchange *x, const struct http_response *r);
/* Takes out the fields that carry the key, and those that are egret's to set: how many are left. */
size_t guard_strip(const struct exchange *x, struct http_field *f, size_t n) _must_check_;
/* The same for an answer's trailers. Where the key is no longer there to look for, or an answer was
 * held and cannot be weighed by them too, none is left: they must not pass unseen. */
size_t guard_trailers(const struct exchange *x, struct http_field *f, size_t n) _must_check_;
/* A held body; -EMSGSIZE: longer than anyone reads, -ENOMEM. */
int guard_hold(struct exchange *x, struct slice piece) _must_check_;
/* Nothing in the answer that is held shows eight bytes of the key that are not its public prefix.
 */
bool guard_is_clean(const struct exchange *x, const struct http_response *r);
/* Answers in the provider's place, and tells the operator which credential it is about. */
void guard_refuse(struct exchange *x, unsigned status);

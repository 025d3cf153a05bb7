/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a value is that stands where a credential can: nothing, a placeholder, or a key. Included
 * by credential*.c alone. Values are never copied out of the request, logged or compared in parts.
 */
#pragma once

#include "provider/credential.h"

/* One request's search. */
struct credential_search {
	const struct catalogue *c;
	unsigned provider;
	struct pool *pool;
	struct credential_found found;
};

enum credential_value { CREDENTIAL_EMPTY, CREDENTIAL_PLACEHOLDER, CREDENTIAL_KEY };

/* *ret_bare is the value without its scheme ("Bearer"), borrowed. */
enum credential_value credential_value_of(const struct catalogue *c, struct slice value,
					  struct slice *ret_bare);
/* True for what begins like a known key and goes on as one, with or without a scheme: for places
 * where a credential has no business. */
bool credential_value_is_known_key(const struct catalogue *c, struct slice value,
				   struct slice *ret_bare);
/* The first key that was found is the one reported. */
void credential_value_report(struct credential_search *s, struct slice bare, struct slice place);
/* Reports a known key; true also for a placeholder that looks like one. */
bool credential_value_report_known(struct credential_search *s, struct slice value,
				   struct slice place);
/* Reports whatever key stands in a place of credentials. */
void credential_value_report_any(struct credential_search *s, struct slice value,
				 struct slice place);

/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials in the query of a request's target. Included by credential*.c alone. */
#pragma once

#include "provider/credential_value.h"

/* Replaces *target (pool) when a parameter goes; every other byte of it stays as it was. */
int credential_query_strip(struct credential_search *s, struct slice *target) _must_check_;

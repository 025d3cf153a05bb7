/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's credentials: found in every place one can stand, and taken out of the request
 * before it goes on. Places: Authorization, x-api-key, api-key, x-goog-api-key, the provider's own
 * field, any other field the catalogue knows from any provider (xi-api-key, cf-aig-authorization,
 * ...), query parameters (key, api_key, api-key, apikey, access_token, oauth_token, token,
 * subscription-key, X-Amz-Signature and its kin, with or without a `$` in front), cookies,
 * Sec-WebSocket-Protocol, Proxy-Authorization; a
 * field whose value begins with a key prefix of the catalogue counts as one too. Fields that choose
 * an account (OpenAI-Organization, OpenAI-Project, X-Goog-User-Project) go as well: the key is
 * egret's. So do query parameters that override the method or the type ($httpMethod, $ct).
 */
#pragma once

#include "base/pool.h"
#include "proto/http.h"
#include "provider/catalogue.h"

struct credential_found {
	bool direct; /* a credential that is not a placeholder was sent */
	struct slice value; /* the first such, in the request's memory; hash it, never log it */
	struct slice place; /* where: "authorization", "query key" ...; static or the catalogue's */
	struct slice provider_hint; /* provider whose key prefix it has, or empty */
};

/* Rewrites *req in place: fields dropped, target replaced (pool) when a query parameter goes.
 * 0, or -ENOMEM / -EMSGSIZE from the pool. Empty values and placeholders are dropped silently, so
 * are cookies that look like no key (SDKs hold infrastructure cookies). On an error, *req is not
 * to be used. */
int credential_strip(const struct catalogue *c, unsigned provider, struct http_request *req,
		     struct pool *pool, struct credential_found *ret) _must_check_;

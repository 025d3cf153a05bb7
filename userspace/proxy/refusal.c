/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/refusal.h"

#include "base/digest.h"
#include "base/reason.h"
#include "provider/dialect.h"
#include "proxy/exchange.h"
#include "proxy/generation.h"
#include "proxy/record.h"
#include "proxy/state.h"

#define BODY_MAX 16384u

static const char *const advice[EG_REASON_COUNT] = {
	[EG_REASON_no_rule] =
		"Ask whoever writes the egret policy for a rule that allows it, or use "
		"a model and operation that it allows.",
	[EG_REASON_denied_by_rule] = "Ask whoever writes the egret policy.",
	[EG_REASON_unknown_workload] = "Start the program with `egret run`, or ask for a workload "
				       "in the egret policy that matches it.",
	[EG_REASON_model_missing] = "Name a model in the request.",
	[EG_REASON_direct_key] = "Remove the key: egret puts one in. The key has been seen by this "
				 "host, so consider replacing it.",
	[EG_REASON_unknown_operation] = "If it should be served, add it to egret's provider "
					"catalogue.",
	[EG_REASON_exe_mismatch] = "Start the program that the egret policy names; if it was "
				   "updated, its hash in the policy must be too.",
	[EG_REASON_no_credential] = "The host's administrator must configure a credential for this "
				    "provider in egret.",
	[EG_REASON_credential_unavailable] = "The host's administrator can see why with `egret "
					     "credential list`.",
	[EG_REASON_audit_unavailable] = "The host's administrator can see why with `egret check`.",
	[EG_REASON_identity_unavailable] = "Try again; if it stays, the host's administrator can "
					   "see why with `egret check`.",
	[EG_REASON_overloaded] = "Try again later.",
	[EG_REASON_bad_request] = "Correct the client.",
	[EG_REASON_host_mismatch] = "Send each request to the host that the TLS connection names.",
	[EG_REASON_headers_too_large] = "Send fewer or shorter headers.",
	[EG_REASON_body_too_large] = "Send less at once, or raise limits.body_bytes in egret.json.",
	[EG_REASON_upgrade_refused] = "",
	[EG_REASON_body_encoding] = "",
	[EG_REASON_body_type] = "Send the Content-Type that this operation takes, in UTF-8.",
	[EG_REASON_body_malformed] = "Correct the body.",
	[EG_REASON_body_too_deep] = "Correct the body.",
	[EG_REASON_body_duplicate_key] = "Send the key once.",
	[EG_REASON_body_escaped_key] = "Write the key in the case the provider names it in, "
				       "without escapes.",
	[EG_REASON_body_bad_value] = "Correct the value.",
	[EG_REASON_upstream_refused_address] = "The host's administrator can allow the range in "
					       "upstream.allow of egret.json.",
	[EG_REASON_upstream_untrusted] =
		"The host's administrator can see why with `egret audit show` "
		"and the request's id.",
	[EG_REASON_credential_refused] =
		"The host's administrator must check the credential for this provider in egret.",
	[EG_REASON_shutting_down] = "Try again when it is back.",
};

/* 403 where the reason has none of its own. */
static unsigned status_of(enum eg_reason reason)
{
	unsigned status = reason_status(reason);

	return status ? status : 403;
}

const char *refusal_advice(enum eg_reason reason)
{
	return advice[reason] ? advice[reason] : "";
}

/* "egret: what: about. What to do. (rule x, request y)" */
static char *message(struct exchange *x, enum eg_reason reason, const char *detail, const char *hex)
{
	struct slice rule = x->verdict.reason == reason ? x->verdict.rule : SLICE("");
	const char *todo = refusal_advice(reason);

	return pool_printf(x->pool, "egret: %s%s%s.%s%s (%s%s" SLICE_FMT "%srequest %s)",
			   reason_text(reason), detail ? ": " : "", detail ? detail : "",
			   *todo ? " " : "", todo, reason_name(reason), rule.n ? ", rule " : "",
			   SLICE_ARG(rule), ", ", hex);
}

static const struct dialect *dialect_of(const struct exchange *x)
{
	struct slice name = SLICE("generic");

	if (x->gen && x->provider_known)
		name = catalogue_provider(x->gen->catalogue, x->provider)->dialect;
	return dialect_find(name) ? dialect_find(name) : dialect_find(SLICE("generic"));
}

/* An agent tries again by itself what may succeed then, and only that. */
static bool may_help_to_retry(enum eg_reason reason)
{
	unsigned status = status_of(reason);

	return (status == 408 || status >= 500) && reason != EG_REASON_upstream_untrusted;
}

/* Where the request's end is not known, or the client must not go on with it, nothing follows. */
static bool must_close(enum eg_reason reason)
{
	switch (reason) {
	case EG_REASON_bad_request:
	case EG_REASON_headers_too_large:
	case EG_REASON_header_timeout:
	case EG_REASON_body_timeout:
	case EG_REASON_upgrade_refused:
	case EG_REASON_host_mismatch:
	case EG_REASON_shutting_down:
		return true;
	default:
		return false;
	}
}

static int send(struct exchange *x, enum eg_reason reason, const struct dialect *d,
		struct slice body, const char *hex)
{
	unsigned status = status_of(reason);
	struct http_field fields[] = {
		{ SLICE("content-type"), SLICE("application/json"), HTTP_content_type },
		{ SLICE("egret-reason"), slice_str(reason_name(reason)), HTTP_other },
		{ SLICE("egret-request-id"), slice_of(hex, 32), HTTP_other },
		{ slice_str(d->request_id_field), slice_of(hex, 32), HTTP_other },
		{ SLICE("x-should-retry"), SLICE("false"), HTTP_other },
	};
	struct http_response r = { .status = status,
				   .reason = SLICE("egret"),
				   .fields = fields,
				   .n_fields = ARRAY_SIZE(fields) - may_help_to_retry(reason),
				   .body = HTTP_BODY_LENGTH,
				   .content_length = body.n };
	int e = x->down->ops->head(x->down, &r, NULL, 0, must_close(reason));

	if (e == 0 && !x->is_head)
		e = x->down->ops->body(x->down, body);
	if (e == 0)
		e = x->down->ops->end(x->down, NULL, 0);
	if (e == 0 && x->rec) {
		x->rec->status = status;
		x->rec->bytes_out = x->is_head ? 0 : body.n;
		x->rec->first_us = loop_now_us(x->w->loop) - x->start_us;
	}
	return e;
}

int refusal_write(struct exchange *x, enum eg_reason reason, const char *detail)
{
	const struct dialect *d = dialect_of(x);
	struct dialect_error e = { .status = status_of(reason), .reason = reason };
	struct buf body;
	char hex[33], *text;
	int r;

	digest_hex(x->id, sizeof(x->id), hex);
	text = message(x, reason, detail, hex);
	if (!text)
		return -ENOMEM;
	e.message = slice_str(text);
	e.request_id = slice_of(hex, 32);
	buf_init(&body, BODY_MAX);
	r = d->write_error(&body, &e);
	if (r == 0)
		r = send(x, reason, d, buf_slice(&body), hex);
	buf_release(&body);
	return r;
}

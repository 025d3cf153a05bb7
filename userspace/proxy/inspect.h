/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request as far as it decides: which models it names, whether it asks for a stream,
 * how many tokens it allows. Read as it arrives, each byte once; the reasons it refuses for are
 * those of proto/json_scan.h and proto/form_scan.h. Pure but for the pool.
 */
#pragma once

#include "egret/reasons.h"
#include "proto/form_scan.h"
#include "proto/http.h"
#include "proto/json_scan.h"
#include "provider/catalogue.h"
#include "proxy/inspect_plan.h"

#define INSPECT_DEPTH_MAX 256u

struct inspect {
	enum catalogue_body kind; /* NONE and OPAQUE: there is nothing to read */
	struct json_scan *json;
	struct form_scan *form;
	const struct inspect_plan *plan;
	bool wants_stream; /* after inspect_finish() */
};

/* Judges what the head says of the body. allowed: feed it, if kind is JSON or MULTIPART. `plan` is
 * that of the operation and outlives i. */
enum eg_reason inspect_begin(struct inspect *i, enum catalogue_body kind,
			     const struct inspect_plan *plan, const struct http_request *req,
			     uint64_t body_max, struct pool *pool) _must_check_;
/* `all` is the body so far, `piece` its newest part. */
enum eg_reason inspect_feed(struct inspect *i, struct slice all, struct slice piece) _must_check_;
enum eg_reason inspect_finish(struct inspect *i, struct slice all) _must_check_;
/* Bytes that are held to read it, beside the body and the pool. */
size_t inspect_memory(const struct inspect *i);
/* The governed key a refusal is about; NULL when none. */
const char *inspect_key(const struct inspect *i);
/* The nth model named; false past the last. */
bool inspect_model(const struct inspect *i, size_t nth, struct slice *ret);
void inspect_done(struct inspect *i);

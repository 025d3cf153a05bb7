/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over a JSON request body as it arrives, looking at a few governed keys and validating
 * all of it: syntax (yajl), UTF-8, depth, nothing after the value. It allocates nothing per value.
 *
 * A governed key is named by a path: "model", or "requests[].params.model" for one inside every
 * element of an array. What could make two readers see different values is refused: a governed
 * key twice in one object, a governed key spelt with escapes or in another case (some readers
 * ignore it), an array or object where a scalar governs, a lone surrogate or control character in a
 * governed string.
 *
 * The caller keeps the whole body contiguous (it may move between calls) so that a value can be
 * rewritten in place by its offsets.
 */
#pragma once

#include "base/pool.h"
#include "base/slice.h"
#include "proto/json_path.h"

#define JSON_SCAN_KEYS_MAX   8
#define JSON_SCAN_VALUES_MAX 1024 /* values found in one body, over all keys; so for objects */

enum json_scan_result {
	JSON_SCAN_OK, /* so far, or complete after json_scan_finish() */
	JSON_SCAN_MALFORMED, /* syntax, UTF-8, or something after the end */
	JSON_SCAN_TOO_DEEP,
	JSON_SCAN_DUPLICATE, /* json_scan_key() names the key, for these three */
	JSON_SCAN_ESCAPED,
	JSON_SCAN_BAD_VALUE,
	JSON_SCAN_TOO_MANY, /* values found */
	JSON_SCAN_NO_MEMORY,
};

enum json_scan_type { JSON_SCAN_STRING, JSON_SCAN_UINT, JSON_SCAN_BOOL, JSON_SCAN_NULL };

struct json_scan_want {
	const char *path;
	unsigned types; /* bit set of 1u << enum json_scan_type that are acceptable */
};

/* What is looked for, read once and used for any number of bodies. */
struct json_scan_plan {
	struct json_scan_want want[JSON_SCAN_KEYS_MAX];
	struct json_path path[JSON_SCAN_KEYS_MAX]; /* in the wants' texts */
	size_t n;
	size_t keep; /* bytes of any string that count: longer than every governed key, as escaped
		      */
};

/* The texts of the wants must outlive the plan. -EINVAL: too many, or a path that is not of the
 * form above or has more than JSON_PATH_STEPS_MAX steps. */
int json_scan_plan(const struct json_scan_want *wants, size_t n,
		   struct json_scan_plan *ret) _must_check_;

struct json_scan_value {
	unsigned key; /* index into the plan's wants */
	enum json_scan_type type;
	size_t start, end; /* of the value in the body, quotes included */
	struct slice text; /* STRING: decoded, in the pool */
	uint64_t number; /* UINT; BOOL: 0 or 1 */
	size_t object; /* offset just after the '{' of the object it is in */
};

struct json_scan;

/* plan and pool must outlive the scan. The top-level value must be an object, and what stands on
 * the way to a governed key must be of the kind its path says (else JSON_SCAN_BAD_VALUE): a
 * provider would refuse it anyway, and nothing can hide there. NULL: out of memory. */
struct json_scan *json_scan_new(const struct json_scan_plan *plan, unsigned depth_max,
				struct pool *pool) _must_check_;
struct json_scan *json_scan_free(struct json_scan *s);
/* `body` is everything so far. What is new may be left for a later call, the more the longer the
 * body is: so that its cost stays in proportion to its length, however it is cut. */
enum json_scan_result json_scan_feed(struct json_scan *s, struct slice body);
enum json_scan_result json_scan_finish(struct json_scan *s, struct slice body);
/* Bytes that are held beside body and pool: a token that a piece has cut, and its decoded text.
 * They may be as many as the body has, or some more, until its end. */
size_t json_scan_memory(const struct json_scan *s);
/* The path an error is about; NULL when none. */
const char *json_scan_key(const struct json_scan *s);
size_t json_scan_values(const struct json_scan *s, const struct json_scan_value **ret);
/* Offsets just after '{' of every object in which key `i`'s last step could stand (to insert a
 * missing key there); for "max_tokens" that is the top-level object. Bounded as the values. */
size_t json_scan_objects(const struct json_scan *s, unsigned i, const size_t **ret);
/* Offset just after the top-level '{'. When there is no object for a key of several steps, the way
 * to it is missing in the body and can be inserted here, whole. */
size_t json_scan_top(const struct json_scan *s);

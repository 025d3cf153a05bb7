/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where everything in a JSON text stands. jansson keeps no positions, so json.c reads the text a
 * second time with this: a structural pass that numbers arrays and objects in the order in which
 * they begin and notes the offset of every key, value and element. It also gives better places
 * for errors of structure, and bounds the depth. Scalars are only cut out here; jansson judges
 * them.
 */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

#define JSON_INDEX_DEPTH_MAX 64

struct json_place {
	uint32_t container; /* number of the array or object it belongs to */
	uint32_t key; /* offset of the key's quote; of an array's element: as value */
	uint32_t value; /* offset of the value's first byte */
};

/* All zero is a valid, empty index. */
struct json_index {
	uint32_t *containers; /* offset of each array's or object's bracket, by number */
	size_t n_containers, containers_size;
	struct json_place *places; /* in the order in which they stand in the text */
	size_t n_places, places_size;
	uint32_t root; /* offset of the whole value */
};

struct json_index_error {
	size_t at;
	char text[128];
};

/* Replaces comments outside strings by spaces, keeping line ends and length. -EINVAL: one has no
 * end. */
int json_index_blank_comments(char *text, size_t n, struct json_index_error *e) _must_check_;
/* `text` has no comments and less than 4 GiB. -EINVAL with *e filled, or -ENOMEM. */
int json_index_build(struct json_index *ix, struct slice text,
		     struct json_index_error *e) _must_check_;
void json_index_done(struct json_index *ix);
/* The `nth` member or element of a container, or NULL. */
const struct json_place *json_index_find(const struct json_index *ix, size_t container, size_t nth);
/* Offset of the last key, value or element that begins before `at`. */
size_t json_index_token_before(const struct json_index *ix, size_t at);

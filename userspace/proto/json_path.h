/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of governed keys, "a.b" and "a[].b", as steps. For json_scan. */
#pragma once

#include "base/cleanup.h"
#include "base/slice.h"

#define JSON_PATH_STEPS_MAX 8

enum json_path_kind { JSON_PATH_KEY, JSON_PATH_ELEMENT };

struct json_path {
	unsigned n;
	struct json_path_step {
		enum json_path_kind kind;
		struct slice key; /* KEY: in the path's text */
	} step[JSON_PATH_STEPS_MAX];
};

/* -EINVAL: empty, an empty key, too many steps, or not ending in a key. */
int json_path_parse(const char *text, struct json_path *ret) _must_check_;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading members of the catalogue as written, with their bounds and an error that names the place.
 * Used by the compiler alone.
 */
#pragma once

#include "base/json.h"
#include "provider/catalogue_build.h"

#define CATALOGUE_LIST_MAX 256 /* elements of any list */

struct catalogue_read {
	const struct json_doc *doc;
	struct diag *d;
	struct catalogue_build *b;
};

/* What a text must look like: checked, and said in the error. */
struct catalogue_rule {
	const char *expected;
	bool (*is_valid)(struct slice s);
};

extern const struct catalogue_rule catalogue_rule_name; /* openai, count-tokens */
extern const struct catalogue_rule catalogue_rule_field; /* x-api-key */
extern const struct catalogue_rule catalogue_rule_text; /* printable ASCII */
extern const struct catalogue_rule catalogue_rule_env; /* OPENAI_API_KEY */
extern const struct catalogue_rule catalogue_rule_json_path; /* requests[].params.model */

/* A text member. Missing: *ret is empty, and an error if it is required. */
int catalogue_read_text(const struct catalogue_read *c, json_t *object, const char *key,
			const struct catalogue_rule *rule, bool required,
			struct slice *ret) _must_check_;
/* A list member; *ret is NULL when it is missing. */
int catalogue_read_list(const struct catalogue_read *c, json_t *object, const char *key,
			json_t **ret) _must_check_;
/* Element of a list, which must be a text. */
int catalogue_read_element(const struct catalogue_read *c, json_t *list, size_t i,
			   const struct catalogue_rule *rule, struct slice *ret) _must_check_;
int catalogue_read_bool(const struct catalogue_read *c, json_t *object, const char *key,
			bool *ret) _must_check_;
/* A list of texts, into the section `refs`. */
int catalogue_read_texts(const struct catalogue_read *c, json_t *object, const char *key,
			 const struct catalogue_rule *rule, struct image_list *ret) _must_check_;

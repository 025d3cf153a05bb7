/* SPDX-License-Identifier: Apache-2.0 */
/* One row a configuration key. Private to config*.c. */
#pragma once

#include "daemon/config.h"

enum config_type {
	CONFIG_BOOL,
	CONFIG_NUMBER, /* within min..max */
	CONFIG_TEXT, /* any string */
	CONFIG_NAME, /* a user, group or identifier; never empty unless min is 0 */
	CONFIG_PATH, /* absolute; "" is allowed when min is 0 */
	CONFIG_CHOICE, /* one of `choices` */
	CONFIG_LIST, /* of strings */
	CONFIG_CIDRS, /* of address/bits */
	CONFIG_SERVERS, /* of addr or addr:port */
	CONFIG_PORTS, /* of TCP ports */
	CONFIG_NAT64, /* address/bits, or "" */
	CONFIG_CREDENTIALS, /* of {id, provider, file | systemd | command} */
	CONFIG_RUN, /* of {user | group, workloads} */
};

struct config_key {
	const char *key;
	enum config_type type;
	size_t offset; /* of the field in struct config */
	const char *value; /* the default, as JSON */
	uint64_t min, max;
	const char *choices; /* space-separated */
	bool reloadable;
	const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_n_keys;

/* Where a value stands, for diagnostics. doc NULL: a default of the table. */
struct config_place {
	const struct json_doc *doc;
	struct diag *d;
	const json_t *parent;
	const char *member;
};

/* Sets the key's field from a value of the right type, or says at the place what is wrong. */
int config_value_set(struct config *c, const struct config_key *key,
		     const struct config_place *place, const json_t *value) _must_check_;
void config_value_clear(struct config *c, const struct config_key *key);
/* "addr/bits" or "addr": 16-byte form. -EINVAL. */
int config_value_prefix(const char *text, struct eg_endpoint_key *ret) _must_check_;

/* ---- shared by config_value.c and config_object.c ---- */

/* Says at the place what is wrong; returns -EINVAL. */
int config_bad(const struct config_place *p, const char *fmt, ...) _printf_(2, 3);
int config_bad_element(const struct config_place *p, const json_t *list, size_t i, const char *key,
		       const char *wanted);
/* What each element of a list has to be. */
typedef bool (*config_is_fn)(const char *text);
int config_list_set(struct config_list *to, const struct config_place *p, const char *key,
		    const json_t *value, const char *wanted, config_is_fn is_valid) _must_check_;
void config_list_clear(struct config_list *l);
bool config_is_name(const char *s);
bool config_is_path(const char *s);

int config_credentials_set(struct config *c, const struct config_place *p,
			   const json_t *value) _must_check_;
void config_credentials_clear(struct config *c);
int config_run_set(struct config *c, const struct config_place *p,
		   const json_t *value) _must_check_;
void config_run_clear(struct config *c);

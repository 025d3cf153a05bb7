/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses that governed names had, across restarts:
 *   [{"host": "…", "answered_us": N, "addresses": [["192.0.2.1", confirmed_us], …]}, …]
 */
#include <arpa/inet.h>
#include <string.h>

#include "control/rows.h"
#include "daemon/config_table.h"
#include "daemon/endpoints_private.h"
#include "daemon/trusted.h"
#include "daemon/warnings.h"

#define FILE_MAX (16u << 20)

static json_t *to_json(const struct endpoints *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->n_names; i++) {
		const struct name *name = &e->names[i];
		json_t *addresses = json_array();

		for (size_t k = 0; k < name->n; k++) {
			char text[INET6_ADDRSTRLEN];

			rows_address(&name->v[k].addr, text, sizeof(text));
			(void)json_array_append_new(
				addresses,
				json_pack("[sI]", text, (json_int_t)name->v[k].confirmed_us));
		}
		if (name->n)
			(void)json_array_append_new(list, json_pack("{ss sI so}", "host",
								    name->host, "answered_us",
								    (json_int_t)name->answered_us,
								    "addresses", addresses));
		else
			json_decref(addresses);
	}
	return list;
}

void endpoints_save(struct endpoints *e)
{
	_cleanup_free_ char *text = NULL;
	struct diag d = { 0 };
	json_t *list;

	if (!e->changed)
		return;
	list = to_json(e);
	text = list ? json_dumps(list, JSON_INDENT(1)) : NULL;
	json_decref(list);
	e->changed = !text || trusted_write(e->file, 0600, slice_str(text), &d) < 0;
	if (e->changed)
		warnings_set(
			e->opts.warnings, "endpoint file",
			"%s: %s: a restart will not know addresses that were resolved until now",
			e->file, text ? d.text : "out of memory");
	else
		warnings_clear(e->opts.warnings, "endpoint file");
}

static int read_name(struct endpoints *e, const json_t *row)
{
	const char *host = json_string_value(json_object_get(row, "host"));
	const json_t *addresses = json_object_get(row, "addresses");
	struct name *name;

	if (!host || !json_is_array(addresses) || endpoints_find_name(e, host))
		return -EINVAL;
	name = endpoints_add_name(e, slice_str(host));
	if (!name)
		return -EINVAL;
	name->answered_us = (uint64_t)json_integer_value(json_object_get(row, "answered_us"));
	for (size_t i = 0; i < json_array_size(addresses); i++) {
		const json_t *pair = json_array_get(addresses, i);
		const char *text = json_string_value(json_array_get(pair, 0));
		json_int_t at = json_integer_value(json_array_get(pair, 1));
		struct eg_endpoint_key key;

		if (!text || at < 0 || config_value_prefix(text, &key) < 0 || key.prefix_len != 128)
			return -EINVAL;
		endpoints_confirm(e, name, &key.addr, (uint64_t)at);
	}
	return 0;
}

int endpoints_read(struct endpoints *e, struct diag *d)
{
	struct json_doc *doc = NULL;
	_cleanup_close_ int fd = -EBADF;
	int r;

	r = trusted_open(e->file, FILE_MAX, true, d, &fd);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = json_doc_read(e->file, fd, FILE_MAX, d, &doc);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < json_array_size(json_doc_root(doc)); i++) {
		r = read_name(e, json_array_get(json_doc_root(doc), i));
		if (r < 0)
			(void)json_doc_error_at(doc, d, json_doc_root(doc), i,
						"not a name with its addresses");
	}
	(void)json_doc_free(doc);
	e->changed = false;
	return r;
}

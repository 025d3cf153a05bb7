/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys as people and editors want it: default file, JSON Schema, man page section. */
#include <string.h>

#include "daemon/config_table.h"

#define WIDTH 96 /* columns of a comment */

/* Groups of keys ("limits.") stand together in the table. */
static struct slice group_of(const char *key)
{
	const char *dot = strchr(key, '.');

	return dot ? slice_of(key, (size_t)(dot - key)) : slice_of(key, 0);
}

static const char *name_of(const char *key)
{
	const char *dot = strchr(key, '.');

	return dot ? dot + 1 : key;
}

/* Words wrapped behind "// ". */
static void print_comment(FILE *f, const char *indent, const char *text)
{
	size_t col = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (col == 0 || col + 1 + n > WIDTH)
			col = (size_t)fprintf(f, "%s%s// ", col ? "\n" : "", indent) -
			      (col ? 1u : 0u);
		else
			col += (size_t)fprintf(f, " ");
		col += (size_t)fprintf(f, "%.*s", (int)n, text);
		text += n + (text[n] == ' ');
	}
	(void)fputc('\n', f);
}

static int end(FILE *f)
{
	return ferror(f) || fflush(f) != 0 ? -EIO : 0;
}

int config_print_defaults(FILE *f)
{
	struct slice group = { "", 0 };

	(void)fprintf(
		f,
		"// Configuration of egretd: every key with its default. A file may leave out "
		"any of them.\n// Comments are allowed. Check a change with: egretd --check\n{\n");
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *k = &config_keys[i];
		struct slice g = group_of(k->key), next = { "", 0 };
		bool is_last = i + 1 == config_n_keys;

		if (!is_last)
			next = group_of(config_keys[i + 1].key);
		if (g.n && !slice_eq(g, group))
			(void)fprintf(f, "\t\"" SLICE_FMT "\": {\n", SLICE_ARG(g));
		print_comment(f, g.n ? "\t\t" : "\t", k->help);
		(void)fprintf(f, "%s\"%s\": %s%s\n", g.n ? "\t\t" : "\t", name_of(k->key), k->value,
			      g.n ? (slice_eq(g, next) ? "," : "") : (is_last ? "" : ","));
		if (g.n && !slice_eq(g, next))
			(void)fprintf(f, "\t}%s\n", is_last ? "" : ",");
		group = g;
	}
	(void)fprintf(f, "}\n");
	return end(f);
}

static const char *const schema_names =
	"{\"type\": \"array\", \"maxItems\": 256, \"items\": {\"type\": \"string\"}}";
static const char *const schema_credentials =
	"{\"type\": \"array\", \"maxItems\": 256, \"items\": {\"type\": \"object\", "
	"\"additionalProperties\": false, \"required\": [\"id\", \"provider\"], \"properties\": {"
	"\"id\": {\"type\": \"string\"}, \"provider\": {\"type\": \"string\"}, "
	"\"file\": {\"type\": \"string\"}, \"systemd\": {\"type\": \"string\"}, "
	"\"command\": {\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"string\"}}}, "
	"\"oneOf\": [{\"required\": [\"file\"]}, {\"required\": [\"systemd\"]}, "
	"{\"required\": [\"command\"]}]}}";
static const char *const schema_run =
	"{\"type\": \"array\", \"maxItems\": 256, \"items\": {\"type\": \"object\", "
	"\"additionalProperties\": false, \"required\": [\"workloads\"], \"properties\": {"
	"\"user\": {\"type\": \"string\"}, \"group\": {\"type\": \"string\"}, "
	"\"workloads\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}}}, "
	"\"oneOf\": [{\"required\": [\"user\"]}, {\"required\": [\"group\"]}]}}";

static json_t *schema_of(const struct config_key *k)
{
	json_t *s = NULL;

	switch (k->type) {
	case CONFIG_BOOL:
		s = json_pack("{ss}", "type", "boolean");
		break;
	case CONFIG_NUMBER:
		s = json_pack("{ss sI sI}", "type", "integer", "minimum", (json_int_t)k->min,
			      "maximum", (json_int_t)k->max);
		break;
	case CONFIG_TEXT:
	case CONFIG_NAT64:
	case CONFIG_PATH:
	case CONFIG_NAME:
		s = json_pack("{ss}", "type", "string");
		if (k->type == CONFIG_PATH)
			(void)json_object_set_new(s, "pattern",
						  json_string(k->min ? "^/" : "^(/.*)?$"));
		if (k->type == CONFIG_NAME && k->min)
			(void)json_object_set_new(s, "minLength", json_integer(1));
		break;
	case CONFIG_CHOICE:
		s = json_pack("{s[]}", "enum");
		for (const char *at = k->choices; *at;) {
			size_t n = strcspn(at, " ");

			(void)json_array_append_new(json_object_get(s, "enum"),
						    json_stringn(at, n));
			at += n + (at[n] == ' ');
		}
		break;
	case CONFIG_LIST:
	case CONFIG_CIDRS:
	case CONFIG_SERVERS:
		s = json_loads(schema_names, 0, NULL);
		break;
	case CONFIG_PORTS:
		s = json_pack("{ss si s{ss si si}}", "type", "array", "maxItems", CONFIG_PORTS_MAX,
			      "items", "type", "integer", "minimum", 1, "maximum", 65535);
		break;
	case CONFIG_CREDENTIALS:
		s = json_loads(schema_credentials, 0, NULL);
		break;
	case CONFIG_RUN:
		s = json_loads(schema_run, 0, NULL);
		break;
	}
	(void)json_object_set_new(s, "description", json_string(k->help));
	(void)json_object_set_new(s, "default", json_loads(k->value, JSON_DECODE_ANY, NULL));
	return s;
}

int config_print_schema(FILE *f)
{
	json_t *properties = json_object();
	json_t *root = json_pack("{ss ss ss sb so}", "$schema",
				 "https://json-schema.org/draft/2020-12/schema", "title",
				 "Configuration of egretd", "type", "object",
				 "additionalProperties", 0, "properties", properties);
	int r;

	for (size_t i = 0; root && i < config_n_keys; i++) {
		const struct config_key *k = &config_keys[i];
		struct slice g = group_of(k->key);
		char name[64];
		json_t *to = properties;

		if (g.n) {
			(void)slice_copy(g, name, sizeof(name));
			if (!json_object_get(properties, name))
				(void)json_object_set_new(properties, name,
							  json_pack("{ss sb s{}}", "type", "object",
								    "additionalProperties", 0,
								    "properties"));
			to = json_object_get(json_object_get(properties, name), "properties");
		}
		(void)json_object_set_new(to, name_of(k->key), schema_of(k));
	}
	r = root ? json_dumpf(root, f, JSON_INDENT(2)) : -1;
	json_decref(root);
	(void)fputc('\n', f);
	return r < 0 ? -ENOMEM : end(f);
}

int config_print_man(FILE *f)
{
	(void)fprintf(f, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *k = &config_keys[i];

		(void)fprintf(f, ".It Cm %s\n", k->key);
		/* A line that begins with a dot or quote would be a macro. */
		(void)fprintf(f, "%s%s\n", *k->help == '.' || *k->help == '\'' ? "\\&" : "",
			      k->help);
		(void)fprintf(f, "Default: %s.\n", k->value);
		if (k->reloadable)
			(void)fprintf(f, "Taken up by a reload.\n");
	}
	(void)fprintf(f, ".El\n");
	return end(f);
}

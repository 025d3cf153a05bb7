/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/text.h"
#include "cli/when.h"

/* ---- the synopsis ---- */

static const char *skip_to(const char *s, const char *set)
{
	return s + strcspn(s, set);
}

static const char *read_word(const char *s, struct args_word *w)
{
	const char *end;

	*w = (struct args_word){ .is_optional = *s == '[' };
	s += w->is_optional;
	end = skip_to(s, " ]");
	w->p = s;
	w->n = (size_t)(end - s);
	w->is_option = w->n > 2 && strncmp(s, "--", 2) == 0;
	w->is_rest = w->n == 2 && strncmp(s, "--", 2) == 0;
	if ((w->is_option || w->is_rest) && *end == ' ' && (w->is_optional || end[1] != '[')) {
		const char *value = end + 1;

		end = skip_to(value, " ]");
		w->value = slice_of(value, (size_t)(end - value));
		w->value.n -= w->is_rest && slice_has_suffix(w->value, SLICE("...")) ? 3 : 0;
	}
	if (!w->is_option && !w->is_rest && w->n > 3 && strncmp(end - 3, "...", 3) == 0) {
		w->is_many = true;
		w->n -= 3;
	}
	end += *end == ']';
	return end + strspn(end, " ");
}

void args_words(const char *synopsis, struct args *ret)
{
	*ret = (struct args){ 0 };
	while (synopsis && *synopsis) {
		assert(ret->n_words < ARGS_MAX);
		synopsis = read_word(synopsis, &ret->words[ret->n_words++]);
	}
}

/* ---- the arguments ---- */

static int usage(struct cli *cli, const char *problem, const char *word)
{
	const struct command *c = cli->command;

	return cli_usage(cli, "%s%s: egret %s%s%s%s%s", word, problem, cli->object->name,
			 c->name ? " " : "", c->name ? c->name : "", *c->args ? " " : "", c->args);
}

static int find_option(const struct args *a, struct slice name)
{
	for (size_t i = 0; i < a->n_words; i++)
		if (a->words[i].is_option && slice_eq(name, slice_of(a->words[i].p, a->words[i].n)))
			return (int)i;
	return -1;
}

/* The next word without a dash that has no value yet; FILE... takes all. */
static int find_free(const struct args *a)
{
	for (size_t i = 0; i < a->n_words; i++)
		if (!a->words[i].is_option && !a->words[i].is_rest &&
		    (!a->values[i] || a->words[i].is_many))
			return (int)i;
	return -1;
}

static int find_rest(const struct args *a)
{
	for (size_t i = 0; i < a->n_words; i++)
		if (a->words[i].is_rest)
			return (int)i;
	return -1;
}

/* Its value is behind `=`, or the next word. */
static int take_option(struct cli *cli, struct args *a, char **argv)
{
	struct slice name = slice_of(argv[0], strcspn(argv[0], "="));
	int i = find_option(a, name);
	char *value = argv[0][name.n] ? argv[0] + name.n + 1 : NULL;
	char word[64];

	if (i < 0)
		return usage(cli, " is no option here", argv[0]);
	(void)slice_copy(name, word, sizeof(word));
	if (a->values[i])
		return usage(cli, " is given twice", word);
	if (a->words[i].value.n == 0) {
		a->values[i] = argv;
		return value ? usage(cli, " takes no value", word) : 1;
	}
	if (value) {
		a->after_equals[i] = value;
		a->values[i] = &a->after_equals[i];
		return 1;
	}
	if (!argv[1] || strncmp(argv[1], "--", 2) == 0)
		return usage(cli, " needs a value", word);
	a->values[i] = argv + 1;
	return 2;
}

/* Takes one argument, with an option its value too; returns how many, or -EIO. */
static int take(struct cli *cli, struct args *a, char **argv)
{
	int i;

	if (argv[0][0] == '-' && argv[0][1] != '\0')
		return take_option(cli, a, argv);
	i = find_free(a);
	if (i < 0)
		return usage(cli, " is one argument too many", argv[0]);
	if (!a->values[i])
		a->values[i] = argv;
	else if (argv[-1][0] == '-') /* FILE... must be neighbours in argv */
		return usage(cli, " must stand beside the others", argv[0]);
	return 1;
}

static int check_given(struct cli *cli, const struct args *a)
{
	char word[64];

	for (size_t i = 0; i < a->n_words; i++) {
		const struct args_word *w = &a->words[i];

		if (a->values[i] || w->is_optional)
			continue;
		(void)slice_copy(w->is_rest ? w->value : slice_of(w->p, w->n), word, sizeof(word));
		return usage(cli, w->is_rest ? " is missing after --" : " is missing", word);
	}
	return 0;
}

int args_parse(struct cli *cli, const char *synopsis, char **argv, struct args *ret)
{
	int rest;

	args_words(synopsis, ret);
	rest = find_rest(ret);
	while (*argv) {
		int n;

		if (rest >= 0 && strcmp(*argv, "--") == 0) {
			ret->values[rest] = argv[1] ? argv + 1 : NULL;
			break;
		}
		n = take(cli, ret, argv);
		if (n < 0)
			return n;
		argv += n;
	}
	return check_given(cli, ret);
}

static char **find(const struct args *a, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < a->n_words; i++)
		if (a->words[i].n == n && strncmp(a->words[i].p, name, n) == 0)
			return a->values[i];
	assert(!"the synopsis has no such word");
	return NULL;
}

const char *args_get(const struct args *a, const char *name)
{
	char **v = find(a, name);

	return v ? *v : NULL;
}

bool args_has(const struct args *a, const char *name)
{
	return find(a, name) != NULL;
}

char **args_rest(const struct args *a, const char *name)
{
	return find(a, name);
}

int args_number(struct cli *cli, const struct args *a, const char *name, uint64_t *ret)
{
	const char *s = args_get(a, name);
	unsigned long long n;
	char *end;

	if (!s)
		return 0;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || n > INT64_MAX)
		return cli_usage(cli, "%s: \"%s\" is not a whole number", name, s);
	*ret = n;
	return 0;
}

/* ---- requests ---- */

static int to_json(struct cli *cli, const struct args *a, const struct args_member *m, json_t **ret)
{
	const char *s = args_get(a, m->name);
	uint64_t n = 0;
	int r = 0;

	switch (m->kind) {
	case ARGS_TEXT:
		*ret = json_string(s);
		return *ret ? 0 : cli_usage(cli, "%s: it is not UTF-8", m->name);
	case ARGS_FLAG:
		*ret = json_true();
		return 0;
	case ARGS_NUMBER:
		r = args_number(cli, a, m->name, &n);
		break;
	case ARGS_TIME:
		if (when_parse(s, clock_wall_us(), &n) < 0)
			r = cli_usage(cli,
				      "%s: \"%s\" is no time: write 30m, 12h, 7d ago or "
				      "2026-01-31T12:00:00Z",
				      m->name, s);
		break;
	}
	if (r < 0)
		return r;
	*ret = json_integer((json_int_t)n);
	return 0;
}

int args_object(struct cli *cli, const struct args *a, const struct args_member *members, size_t n,
		json_t **ret)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++) {
		json_t *value = NULL;

		if (!args_has(a, members[i].name))
			continue;
		if (to_json(cli, a, &members[i], &value) < 0) {
			json_decref(object);
			return -EIO;
		}
		(void)json_object_set_new(object, members[i].key, value);
	}
	if (!object)
		return cli_oom(cli);
	*ret = object;
	return 0;
}

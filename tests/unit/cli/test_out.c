/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, sheets, JSON and CSV: printed to a file and read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "userspace/cli/cli.c"
#include "userspace/cli/csv.c"
#include "userspace/cli/form.c"
#include "userspace/cli/out.c"
#include "userspace/cli/text.c"
#include "userspace/cli/when.c"

const struct object *const cli_objects[] = { NULL };
const size_t cli_n_objects = 0;

static const struct column columns[] = {
	{ "NAME", "name", FORM_TEXT },
	{ "COUNT", "count", FORM_COUNT },
	{ "HOSTS", "hosts", FORM_TEXT },
};

static char printed[65536];
static FILE *real_stdout;
static char *text;
static size_t size;

static int capture(void **state)
{
	(void)state;
	real_stdout = stdout;
	stdout = open_memstream(&text, &size);
	return stdout ? 0 : -1;
}

static const char *take_printed(void)
{
	(void)fflush(stdout);
	(void)slice_copy(slice_of(text, size), printed, sizeof(printed));
	return printed;
}

static int release(void **state)
{
	(void)state;
	(void)fclose(stdout);
	stdout = real_stdout;
	free(text);
	text = NULL;
	return 0;
}

static void add(struct out_list *l, json_t *row)
{
	assert_int_equal(out_list_row(l, row), 0);
	json_decref(row);
}

static void print_two(struct cli *cli, bool is_stream)
{
	struct out_list l;

	assert_int_equal(out_list_begin(cli, &l, columns, ARRAY_SIZE(columns), is_stream), 0);
	add(&l, json_pack("{ss si s[ss]}", "name", "a\x1b[2J", "count", 7, "hosts", "x", "y"));
	add(&l, json_pack("{ss si}", "name", "n\xc3\xa4mlich", "count", 12345));
	assert_int_equal(out_list_end(&l), 0);
	out_list_done(&l);
}

static void table_is_aligned_and_escaped(void **state)
{
	struct cli cli = { .format = CLI_PLAIN };

	(void)state;
	print_two(&cli, false);
	assert_string_equal(take_printed(), "NAME      COUNT  HOSTS\n"
					    "a\\x1b[2J      7  x,y\n"
					    "n\xc3\xa4mlich   12345  -\n");
}

static void empty_table_has_its_header(void **state)
{
	struct cli cli = { .format = CLI_PLAIN };
	struct out_list l;

	(void)state;
	assert_int_equal(out_list_begin(&cli, &l, columns, ARRAY_SIZE(columns), false), 0);
	assert_int_equal(out_list_end(&l), 0);
	out_list_done(&l);
	assert_string_equal(take_printed(), "NAME  COUNT  HOSTS\n");
}

static void json_is_one_document(void **state)
{
	struct cli cli = { .format = CLI_JSON };

	(void)state;
	print_two(&cli, false);
	assert_string_equal(take_printed(),
			    "[{\"name\":\"a\\u001B[2J\",\"count\":7,\"hosts\":[\"x\",\"y\"]},"
			    "{\"name\":\"n\\u00E4mlich\",\"count\":12345}]\n");
}

static void pretty_json_is_one_document(void **state)
{
	struct cli cli = { .format = CLI_PRETTY };
	json_t *all;

	(void)state;
	print_two(&cli, false);
	all = json_loads(take_printed(), 0, NULL);
	assert_int_equal(json_array_size(all), 2);
	json_decref(all);
}

static void empty_json_is_an_empty_array(void **state)
{
	struct cli cli = { .format = CLI_JSON };
	struct out_list l;

	(void)state;
	assert_int_equal(out_list_begin(&cli, &l, columns, ARRAY_SIZE(columns), false), 0);
	assert_int_equal(out_list_end(&l), 0);
	out_list_done(&l);
	assert_string_equal(take_printed(), "[]\n");
}

static void broken_off_list_prints_nothing(void **state)
{
	struct cli cli = { .format = CLI_JSON };
	struct out_list l;

	(void)state;
	assert_int_equal(out_list_begin(&cli, &l, columns, ARRAY_SIZE(columns), false), 0);
	add(&l, json_pack("{ss}", "name", "a"));
	out_list_done(&l);
	assert_string_equal(take_printed(), "");
}

static void stream_is_a_line_a_row(void **state)
{
	struct cli cli = { .format = CLI_PRETTY };

	(void)state;
	print_two(&cli, true);
	assert_string_equal(take_printed(),
			    "{\"name\":\"a\\u001B[2J\",\"count\":7,\"hosts\":[\"x\",\"y\"]}\n"
			    "{\"name\":\"n\\u00E4mlich\",\"count\":12345}\n");
}

static void rows_from_pins_say_so(void **state)
{
	struct cli cli = { .format = CLI_JSON };
	struct out_list l;

	(void)state;
	assert_int_equal(out_list_begin(&cli, &l, columns, ARRAY_SIZE(columns), false), 0);
	l.from_pins = true;
	add(&l, json_pack("{ss}", "name", "a"));
	assert_int_equal(out_list_end(&l), 0);
	out_list_done(&l);
	assert_string_equal(take_printed(), "[{\"name\":\"a\",\"from\":\"pins\"}]\n");
}

static void sheet_shows_known_then_unknown_members(void **state)
{
	struct cli cli = { .format = CLI_PLAIN };
	json_t *o = json_pack("{ss sn si ss s{ss}}", "new_member", "x", "gone", "count", 3, "name",
			      "a\nb", "labels", "k", "v");

	(void)state;
	assert_int_equal(out_object(&cli, o, columns, ARRAY_SIZE(columns)), 0);
	json_decref(o);
	assert_string_equal(take_printed(), "NAME        a\\nb\n"
					    "COUNT       3\n"
					    "new_member  x\n"
					    "labels      k=v\n");
}

static void long_table_is_printed_whole(void **state)
{
	struct cli cli = { .format = CLI_PLAIN };
	struct out_list l;
	size_t lines = 0;

	(void)state;
	assert_int_equal(out_list_begin(&cli, &l, columns, ARRAY_SIZE(columns), false), 0);
	for (int i = 0; i < HELD_ROWS + 100; i++)
		add(&l, json_pack("{ss si}", "name", "x", "count", i));
	assert_int_equal(out_list_end(&l), 0);
	out_list_done(&l);
	for (const char *p = take_printed(); *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, HELD_ROWS + 101);
}

static void csv_is_quoted_and_runs_no_formula(void **state)
{
	json_t *row =
		json_pack("{ss si s[s]}", "name", "=cmd|\"x\",\n1", "count", -5, "hosts", "h");

	(void)state;
	csv_header(stdout, columns, ARRAY_SIZE(columns));
	assert_int_equal(csv_row(stdout, row, columns, ARRAY_SIZE(columns)), 0);
	json_decref(row);
	row = json_object();
	assert_int_equal(csv_row(stdout, row, columns, ARRAY_SIZE(columns)), 0);
	json_decref(row);
	assert_string_equal(take_printed(), "name,count,hosts\r\n"
					    "\"'=cmd|\"\"x\"\",\n1\",-5,\"[\"\"h\"\"]\"\r\n"
					    ",,\r\n");
}

static void forms_are_for_people(void **state)
{
	static const struct {
		enum form form;
		json_int_t n;
		const char *want;
	} cases[] = {
		{ FORM_BYTES, 1023, "1023" },
		{ FORM_BYTES, 1536, "1.5K" },
		{ FORM_BYTES, 5 << 20, "5.0M" },
		{ FORM_DURATION, 4200, "4.2ms" },
		{ FORM_DURATION_NS, 312, "312ns" },
		{ FORM_DURATION_NS, 4200000, "4.2ms" },
		{ FORM_TIME, 0, "1970-01-01T00:00:00.000Z" },
		{ FORM_COUNT, -1, "-1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct column c = { "n", "n", cases[i].form };
		json_t *row = json_pack("{sI}", "n", cases[i].n);
		char *got = form_text(row, &c);

		assert_string_equal(got, cases[i].want);
		free(got);
		json_decref(row);
	}
}

#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, capture, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CAPTURED(table_is_aligned_and_escaped),
		CAPTURED(empty_table_has_its_header),
		CAPTURED(json_is_one_document),
		CAPTURED(pretty_json_is_one_document),
		CAPTURED(empty_json_is_an_empty_array),
		CAPTURED(broken_off_list_prints_nothing),
		CAPTURED(stream_is_a_line_a_row),
		CAPTURED(rows_from_pins_say_so),
		CAPTURED(sheet_shows_known_then_unknown_members),
		CAPTURED(long_table_is_printed_whole),
		CAPTURED(csv_is_quoted_and_runs_no_formula),
		cmocka_unit_test(forms_are_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/json.h"
#include "provider/catalogue.h"

#include "embed_providers.h"

static void compiles_the_catalogue_that_ships(void **state)
{
	struct json_doc *doc = NULL;
	struct catalogue *c = NULL;
	struct diag d = { 0 };
	struct buf image;
	char text[1024];

	(void)state;
	buf_init(&image, 16 << 20);
	if (json_doc_parse("providers.json", slice_of(embed_providers, sizeof(embed_providers) - 1),
			   1 << 20, &d, &doc) < 0 ||
	    catalogue_compile((const struct json_doc *const *)&doc, 1, &d, &image) < 0) {
		diag_format(&d, text, sizeof(text));
		fail_msg("%s", text);
	}
	assert_int_equal(catalogue_open(image.p, buf_len(&image), &c), 0);
	catalogue_free(c);
	buf_release(&image);
	json_doc_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compiles_the_catalogue_that_ships),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

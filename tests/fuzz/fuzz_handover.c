/* SPDX-License-Identifier: Apache-2.0 */
/* What one monitor hands to the next: whatever is accepted has the whole shape, and says the same
 * when it is written again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/handover.h"

static void check_fd(const json_t *v)
{
	assert(json_is_integer(v) && json_integer_value(v) > 2);
}

static void check_rows(const json_t *list, size_t members, const char *fd)
{
	assert(json_is_array(list));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i);

		assert(json_object_size(row) == members);
		if (fd)
			check_fd(json_object_get(row, fd));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;
	json_t *doc = NULL, *again = NULL;

	if (handover_parse(slice_of((const char *)data, size), &doc) < 0)
		return 0;
	check_fd(json_object_get(doc, "lock"));
	check_fd(json_object_get(doc, "control"));
	check_rows(json_object_get(doc, "listeners"), 3, NULL);
	check_rows(json_object_get(doc, "namespaces"), 9, "fd");
	check_rows(json_object_get(doc, "slabs"), 3, "wake");
	check_rows(json_object_get(doc, "children"), 7, "channel");
	text = json_dumps(doc, JSON_COMPACT);
	assert(text && handover_parse(slice_of(text, strlen(text)), &again) == 0);
	assert(json_equal(doc, again));
	json_decref(again);
	json_decref(doc);
	return 0;
}

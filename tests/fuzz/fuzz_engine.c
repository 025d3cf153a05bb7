/* SPDX-License-Identifier: Apache-2.0 */
/* What a container engine answers: whatever is accepted is of the container that was asked for, and
 * within its bounds. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "identity/engine_reply.h"

static const char id[] = "4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be0123";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_facts f = { 0 };
	const char *name;
	json_t *value;

	if (engine_reply_read(slice_of((const char *)data, size), slice_str(id), &f) < 0) {
		assert(!f.image && !f.image_id && !f.labels);
		return 0;
	}
	assert(memmem(data, size, id, strlen(id)) || memchr(data, '\\', size));
	assert(strlen(f.image) <= ENGINE_TEXT_MAX && strlen(f.image_id) <= ENGINE_TEXT_MAX);
	assert(json_object_size(f.labels) <= ENGINE_LABELS_MAX);
	json_object_foreach(f.labels, name, value)
	{
		struct slice v = engine_facts_label(&f, slice_str(name));

		assert(v.p == json_string_value(value) && v.n <= ENGINE_TEXT_MAX);
	}
	assert(!engine_facts_label(&f, SLICE("no such label, ever")).p);
	engine_facts_done(&f);
	return 0;
}

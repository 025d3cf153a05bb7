/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file, and what may stand behind --set. Nothing read may be half applied. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char set[256];
	const char *sets[] = { set };
	struct config *c = NULL;
	struct diag d = { 0 };

	if (config_parse("fuzz", slice_of(data, size), NULL, 0, &d, &c) == 0) {
		assert(c->run_dir && c->run_dir[0] == '/');
		assert(c->workers <= 256 && c->leaf_hours <= 24);
		(void)config_free(c);
	} else {
		assert(d.text[0]);
	}

	c = NULL;
	d = (struct diag){ 0 };
	(void)slice_copy(slice_of(data, size), set, sizeof(set));
	if (config_parse("fuzz", SLICE("{}"), sets, 1, &d, &c) == 0)
		(void)config_free(c);
	else
		assert(d.text[0]);
	return 0;
}

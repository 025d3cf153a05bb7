/* SPDX-License-Identifier: Apache-2.0 */
/* ClientHello: a prefix never says more than the whole, and what is asked for is always more. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char scratch[HELLO_WIRE_MAX];
	struct hello whole, part;
	enum hello_result r = hello_parse(slice_of(data, size), scratch, &whole), p;

	if (r == HELLO_NEED_MORE)
		assert(whole.need > size && whole.need <= HELLO_WIRE_MAX);
	if (r == HELLO_OK && whole.has_sni)
		assert(whole.host_n && strlen(whole.host) == whole.host_n);
	for (size_t n = 0; n < size && size < 600; n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, data, n);
		p = hello_parse(slice_of(copy, n), scratch, &part);
		free(copy);
		/* A verdict on a prefix is the verdict on the whole. */
		assert(p == HELLO_NEED_MORE || p == r);
		if (p == HELLO_OK)
			assert(slice_eq(slice_of(part.host, part.host_n),
					slice_of(whole.host, whole.host_n)));
	}
	return 0;
}

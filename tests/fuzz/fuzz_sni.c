/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's reader of ClientHellos beside the worker's: where the kernel lets a hello pass for
 * another name than the worker reads, or for none, the tripwire could be talked past. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/sni.h"
#include "proto/hello.h"

struct wire {
	const uint8_t *p;
	size_t n;
};

static int load(void *ctx, __u32 offset, void *to, __u32 n)
{
	struct wire *w = ctx;

	if (offset > w->n || n > w->n - offset)
		return -1;
	memcpy(to, w->p + offset, n);
	return 0;
}

static enum sni_result read_sni(struct wire *w, struct sni *s)
{
	enum sni_result r;

	s->base = 0;
	s->n = (uint32_t)w->n;
	r = sni_begin(load, w, s);
	if (r != SNI_NAME)
		return r;
	for (unsigned i = 0; i < SNI_EXTENSIONS_MAX && !sni_extension_round(load, w, s); i++)
		;
	r = sni_end(s);
	if (r != SNI_NAME)
		return r;
	if (load(w, s->name_at, s->name.s + 1, s->name.n - 1))
		return SNI_ODD;
	for (unsigned i = 0; i <= NAME_MAX_BYTES && !sni_name_round(s); i++)
		;
	return s->result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char scratch[HELLO_WIRE_MAX];
	struct wire w = { data, size };
	struct hello h;
	struct sni s;
	enum sni_result r = read_sni(&w, &s);

	if (hello_parse(slice_of((const char *)data, size), scratch, &h) != HELLO_OK)
		return 0;
	assert(r != SNI_MORE);
	if (r == SNI_NONE)
		assert(!h.has_sni);
	if (r == SNI_NAME)
		assert(h.has_sni && s.name.n == h.host_n + 1 &&
		       memcmp(s.name.s + 1, h.host, h.host_n) == 0);
	return 0;
}

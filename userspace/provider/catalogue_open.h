/* SPDX-License-Identifier: Apache-2.0 */
/* An opened catalogue, as the look-ups see it. Included by catalogue*.c alone. */
#pragma once

#include "provider/catalogue_image.h"

struct catalogue {
	const struct image_header *header; /* the image: borrowed, read-only, checked */
	uint32_t n[IMAGE_SECTION_COUNT]; /* elements of each section */
#define X(name, type) const type *name;
	IMAGE_SECTIONS(X)
#undef X
	/* Resolved when it was opened, pointing into the image. */
	struct slice *slices; /* of section `refs`, by position */
	struct catalogue_provider *provider;
	struct catalogue_operation *operation;
	uint64_t field_lengths; /* of providers' credential fields, modulo 64, as bits */
};

static inline struct slice catalogue_open_slice(const struct catalogue *c, struct image_ref ref)
{
	return slice_of(c->strings + ref.off, ref.n);
}

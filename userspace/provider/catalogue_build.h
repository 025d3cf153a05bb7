/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects the parts of a catalogue image, section by section, and lays them out. Used by the
 * compiler alone; knows nothing of JSON.
 */
#pragma once

#include "base/buf.h"
#include "provider/catalogue_image.h"

struct catalogue_build {
	struct buf section[IMAGE_SECTION_COUNT];
	uint32_t n[IMAGE_SECTION_COUNT];
	uint32_t used; /* entries that are not empty */
	uint64_t key_prefix_lengths;
};

/* The root node of host patterns is made here. */
int catalogue_build_init(struct catalogue_build *b) _must_check_;
void catalogue_build_done(struct catalogue_build *b);

/* Appends an element to a section; its position, or -errno. */
int catalogue_build_add(struct catalogue_build *b, enum image_section section, const void *element,
			size_t size) _must_check_;
int catalogue_build_string(struct catalogue_build *b, struct slice s,
			   struct image_ref *ret) _must_check_;
int catalogue_build_node(struct catalogue_build *b) _must_check_;
/* Borrowed until the next call that adds. */
struct image_node *catalogue_build_get_node(struct catalogue_build *b, uint32_t node);

/* Value for a key of the table, or -ENOENT. */
int catalogue_build_find(const struct catalogue_build *b, enum image_class class, uint32_t node,
			 struct slice text);
/* -EEXIST when the key is there already (its value stays). */
int catalogue_build_put(struct catalogue_build *b, enum image_class class, uint32_t node,
			struct slice text, uint32_t value) _must_check_;
/* The child of a node over an edge, made when it is not there. */
int catalogue_build_child(struct catalogue_build *b, uint32_t node, struct slice text) _must_check_;

/* Appends the image. */
int catalogue_build_finish(struct catalogue_build *b, struct buf *ret) _must_check_;

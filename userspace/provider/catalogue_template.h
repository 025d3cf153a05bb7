/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path templates, from text into the image. A segment is literal, "{id}" for any one segment, or
 * "{id}:verb" for one that ends in that verb; "{model}" says that it is the model. Compiler only.
 */
#pragma once

#include "provider/catalogue_build.h"

/* Adds the nodes of `path` below `root`. Returns the last one; *ret_model_segment is the position
 * of the model + 1, or 0. -EBADMSG: this is no template. */
int catalogue_template_add(struct catalogue_build *b, uint32_t root, struct slice path,
			   uint32_t *ret_model_segment) _must_check_;

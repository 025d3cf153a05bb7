/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a path is made of: cut into segments and checked, the same for templates and for requests.
 * Anything that two servers could read differently is no path here: dot segments, empty segments,
 * ';' parameters, bytes outside RFC 3986's pchar, encoded slashes, dots, letters, controls.
 */
#pragma once

#include "provider/catalogue_image.h"

struct catalogue_path {
	struct slice segment[IMAGE_SEGMENTS_MAX];
	unsigned n; /* "/" has none */
};

/* False: not a path that can be matched. Segments are borrowed from `path`. */
bool catalogue_path_cut(struct slice path, struct catalogue_path *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of a provider, from text into the image. Compiler only. */
#pragma once

#include "provider/catalogue_read.h"

/* Member "operations" of a provider's object; `root` is the node at which its paths begin. */
int catalogue_operation_compile(const struct catalogue_read *c, json_t *object,
				uint32_t root) _must_check_;

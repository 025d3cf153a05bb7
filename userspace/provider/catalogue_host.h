/* SPDX-License-Identifier: Apache-2.0 */
/* The hosts and address ranges of a provider, from text into the image. Compiler only. */
#pragma once

#include "provider/catalogue_read.h"

/* Members "hosts" and "cidrs" of a provider's object. */
int catalogue_host_compile(const struct catalogue_read *c, json_t *object, uint32_t provider,
			   struct image_list *ret_hosts) _must_check_;

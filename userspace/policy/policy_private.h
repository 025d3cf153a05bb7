/* SPDX-License-Identifier: Apache-2.0 */
/* What policy.c and explain.c share: an opened policy. */
#pragma once

#include "policy/image.h"
#include "policy/policy.h"

struct policy {
	struct image im;
	struct policy_header *headers; /* as im.headers, with pointers */
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rules as read to the image of image.h. Memory is bounded whatever the rules say: a bit for
 * each rule and each workload, provider, kind or pattern; equal sets are stored once, and of a set
 * only the words that are not empty. A rule that binds every workload is no member of their sets
 * but of one of its own. The set of `unknown` is complete: rules that name it, and deny rules
 * without a condition on the workload.
 */
#pragma once

#include "policy/draft.h"

/* Appends the image. -EINVAL with dr->d filled; -ENOMEM; -EMSGSIZE. */
int emit_image(struct draft *dr, struct buf *ret) _must_check_;

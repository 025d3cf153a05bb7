/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container engine says of a container: its answer to GET /containers/ID/json (Docker Engine
 * API, which podman speaks too). Pure code on a text that is not trusted.
 */
#pragma once

#include "base/json.h"
#include "base/slice.h"

#define ENGINE_REPLY_MAX  ((size_t)1024 * 1024)
#define ENGINE_LABELS_MAX 256u
#define ENGINE_TEXT_MAX	  4096u /* bytes of an image's name, a label's name or value */

struct engine_facts {
	char *image; /* as it was asked for: "docker.io/library/agent:1.2" */
	char *image_id; /* "sha256:..." */
	json_t *labels; /* object of strings */
};

/* -EPROTO: not such an answer, or of another container than `id`. -ENOMEM. */
int engine_reply_read(struct slice text, struct slice id, struct engine_facts *ret) _must_check_;
void engine_facts_done(struct engine_facts *f);
/* The label's value; NULL data: there is none. Borrowed. */
struct slice engine_facts_label(const struct engine_facts *f, struct slice name);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy and identity from both sides. First byte modulo four, 0: a text, which compiles against
 * the built-in catalogue and decides, or is refused with a place. 1: changes to a good image
 * (offset, xor, ...). 2: an image out of nothing. 3: a cgroup's path, and a pattern for it, a line
 * each.
 */
#include <assert.h>
#include <stdint.h>

#include "base/glob.h"
#include "base/json.h"
#include "identity/identity.h"
#include "identity/place.h"
#include "policy/compile.h"
#include "policy/explain.h"
#include "policy/policy.h"
#include "provider/catalogue.h"

#include "embed_default.h"
#include "embed_providers.h"

/* Made once; the process ends with it. */
static const struct catalogue *catalogue(void)
{
	static struct catalogue *c;
	static struct buf image;
	struct json_doc *doc = NULL;
	struct diag d = { 0 };
	int r;

	if (c)
		return c;
	buf_init(&image, 16u << 20);
	r = json_doc_parse("providers.json", slice_of(embed_providers, sizeof(embed_providers) - 1),
			   1u << 20, &d, &doc);
	if (r == 0)
		r = catalogue_compile((const struct json_doc *const *)&doc, 1, &d, &image);
	if (r == 0)
		r = catalogue_open(image.p, buf_len(&image), &c);
	assert(r == 0);
	json_doc_free(doc);
	return c;
}

static int on_rule(void *ctx, const struct policy_explained *e)
{
	unsigned *applied = ctx;

	assert(e->applies == !e->failed);
	*applied += e->applies && !e->shadow;
	return 0;
}

/* What can be said of any decision. */
static void check(const struct policy *p, const struct policy_facts *f)
{
	struct policy_decision d;
	unsigned applied = 0;

	policy_decide(p, f, &d);
	assert(d.reason < EG_REASON_COUNT);
	assert(policy_explain(p, f, on_rule, &applied) == 0);
	for (size_t i = 0; i < d.n_headers; i++)
		assert(d.headers[i].name.p);
}

static void ask(const struct policy *p, struct slice model, bool sound)
{
	struct slice name, value;

	for (unsigned w = 0; w < policy_workloads(p) && w < 4; w++) {
		for (unsigned i = 0; i < 12; i++) {
			struct policy_facts f = {
				.workload = w,
				.provider = i % 5,
				.kind = i,
				.model = i % 3 ? model : SLICE(""),
				.no_model = i % 7 == 0,
			};

			check(p, &f);
		}
		name = policy_workload_name(p, w);
		assert(!sound || policy_find_workload(p, name) == (int)w);
		(void)policy_direct_keys(p, w);
		for (size_t i = 0; i < 100 && policy_label_at(p, w, i, &name, &value); i++)
			assert(name.p && value.p);
	}
	assert(policy_find_workload(p, SLICE("no such workload")) == -1 || !sound);
}

static int compile(struct slice text, struct diag *d, struct buf *image)
{
	struct json_doc *doc = NULL;
	int r = json_doc_parse("fuzz", text, 1u << 20, d, &doc);

	buf_init(image, 64u << 20);
	if (r == 0)
		r = policy_compile(doc, catalogue(), d, image);
	if (r == 0) {
		struct diag other = { 0 };
		int s = identity_check(doc, &other);

		assert(s == 0 || (s == -EINVAL && other.line > 0 && other.text[0]));
	}
	json_doc_free(doc);
	return r;
}

static void attack_compiler(struct slice text)
{
	struct policy *p = NULL;
	struct diag d = { 0 };
	struct buf image;
	int r = compile(text, &d, &image);

	assert(r == 0 || (r == -EINVAL && d.line > 0 && d.text[0]));
	if (r == 0) {
		r = policy_open(image.p, buf_len(&image), &p);
		assert(r == 0);
		ask(p, SLICE("gpt-5-pro"), true);
		ask(p, SLICE("claude-haiku-4-5"), true);
	}
	policy_free(p);
	buf_release(&image);
}

static void attack_image(struct slice changes)
{
	static char good[1u << 16];
	static size_t n;
	_cleanup_free_ char *copy = NULL;
	struct policy *p = NULL;

	if (!n) {
		struct buf image;
		struct diag d = { 0 };
		int r = compile(slice_of(embed_default, sizeof(embed_default) - 1), &d, &image);

		assert(r == 0 && buf_len(&image) <= sizeof(good));
		n = buf_len(&image);
		memcpy(good, image.p, n);
		buf_release(&image);
	}
	copy = malloc(n);
	assert(copy);
	memcpy(copy, good, n);
	for (; changes.n >= 3 && changes.p[2]; changes = slice_of(changes.p + 3, changes.n - 3)) {
		size_t at = (unsigned char)changes.p[0] | (size_t)(unsigned char)changes.p[1] << 8;

		copy[at % n] = (char)(copy[at % n] ^ changes.p[2]);
	}
	if (policy_open(copy, n, &p) == 0)
		ask(p, SLICE("o1-pro"), false);
	policy_free(p);
}

static void attack_open(struct slice bytes)
{
	_cleanup_free_ char *copy = malloc(bytes.n + !bytes.n);
	struct policy *p = NULL;

	assert(copy);
	if (bytes.n)
		memcpy(copy, bytes.p, bytes.n);
	if (policy_open(copy, bytes.n, &p) == 0)
		ask(p, SLICE("m"), false);
	policy_free(p);
}

static void attack_place(struct slice text)
{
	const char *end = memchr(text.p, '\n', text.n);
	struct slice path = slice_of(text.p, end ? (size_t)(end - text.p) : text.n);
	struct slice pattern = slice_of(path.p + path.n + !!end, text.n - path.n - !!end);
	struct place place;

	place_of(path, &place);
	assert(!place.container.n || place.container.n == PLACE_CONTAINER_ID);
	assert(!place.container.n == !place.runtime);
	assert(place.unit.n <= path.n && place.user_unit.n <= path.n);
	assert(glob_match_path(path, path) || glob_is_pattern(path));
	(void)glob_match(pattern, path);
	(void)glob_match_path(pattern, path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data + 1, size ? size - 1 : 0);

	if (size < 1 || size > 16384)
		return 0;
	switch (data[0] % 4) {
	case 0:
		attack_compiler(rest);
		break;
	case 1:
		attack_image(rest);
		break;
	case 2:
		attack_open(rest);
		break;
	default:
		/* The time of a pattern is the product of the lengths. */
		if (size < 600)
			attack_place(rest);
		break;
	}
	return 0;
}

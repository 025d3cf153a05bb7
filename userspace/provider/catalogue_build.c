/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/catalogue_build.h"

#define ENTRIES_FIRST 256u

static const size_t element_size[IMAGE_SECTION_COUNT] = {
#define X(name, type) [IMAGE_##name] = sizeof(type),
	IMAGE_SECTIONS(X)
#undef X
};

static struct image_entry *entries_of(const struct catalogue_build *b)
{
	return (struct image_entry *)(void *)(b->section[IMAGE_entries].p);
}

/* A table of n empty entries in place of the one there; the old one goes to *old. */
static int new_table(struct catalogue_build *b, uint32_t n, struct buf *old)
{
	struct buf fresh;
	char *to;

	buf_init(&fresh, IMAGE_MAX);
	to = buf_reserve(&fresh, n * sizeof(struct image_entry));
	if (!to)
		return -errno;
	memset(to, 0, n * sizeof(struct image_entry));
	buf_commit(&fresh, n * sizeof(struct image_entry));
	*old = b->section[IMAGE_entries];
	b->section[IMAGE_entries] = fresh;
	b->n[IMAGE_entries] = n;
	return 0;
}

int catalogue_build_init(struct catalogue_build *b)
{
	_cleanup_(buf_release) struct buf none = { 0 };
	int r;

	*b = (struct catalogue_build){ 0 };
	for (int i = 0; i < IMAGE_SECTION_COUNT; i++)
		buf_init(&b->section[i], IMAGE_MAX);
	r = new_table(b, ENTRIES_FIRST, &none);
	return r < 0 ? r : catalogue_build_node(b);
}

void catalogue_build_done(struct catalogue_build *b)
{
	for (int i = 0; i < IMAGE_SECTION_COUNT; i++)
		buf_release(&b->section[i]);
}

int catalogue_build_add(struct catalogue_build *b, enum image_section section, const void *element,
			size_t size)
{
	int r = size == element_size[section] ? 0 : -EINVAL;

	if (r == 0)
		r = buf_append(&b->section[section], element, size);
	return r < 0 ? r : (int)b->n[section]++;
}

int catalogue_build_string(struct catalogue_build *b, struct slice s, struct image_ref *ret)
{
	struct image_ref ref = { b->n[IMAGE_strings], (uint32_t)s.n };
	int r = buf_append_slice(&b->section[IMAGE_strings], s);

	if (r < 0)
		return r;
	b->n[IMAGE_strings] += ref.n;
	*ret = ref;
	return 0;
}

int catalogue_build_node(struct catalogue_build *b)
{
	const struct image_node node = { 0 };

	return catalogue_build_add(b, IMAGE_nodes, &node, sizeof(node));
}

struct image_node *catalogue_build_get_node(struct catalogue_build *b, uint32_t node)
{
	return (struct image_node *)(void *)b->section[IMAGE_nodes].p + node;
}

static struct image_entry *probe(const struct catalogue_build *b, uint32_t class, uint32_t node,
				 struct slice text)
{
	const struct image_entry *e = image_probe(entries_of(b), b->n[IMAGE_entries],
						  b->section[IMAGE_strings].p, class, node, text);

	return e ? entries_of(b) + (e - entries_of(b)) : NULL;
}

int catalogue_build_find(const struct catalogue_build *b, enum image_class class, uint32_t node,
			 struct slice text)
{
	const struct image_entry *e = probe(b, class, node, text);

	return e && e->class != IMAGE_EMPTY ? (int)e->value : -ENOENT;
}

static int double_table(struct catalogue_build *b)
{
	_cleanup_(buf_release) struct buf old = { 0 };
	uint32_t n = b->n[IMAGE_entries];
	const struct image_entry *e;
	int r = new_table(b, n * 2, &old);

	if (r < 0)
		return r;
	e = (const struct image_entry *)(const void *)old.p;
	for (uint32_t i = 0; i < n; i++) {
		struct slice text;
		struct image_entry *to;

		if (e[i].class == IMAGE_EMPTY)
			continue;
		text = slice_of(b->section[IMAGE_strings].p + e[i].text.off, e[i].text.n);
		to = probe(b, e[i].class, e[i].node, text);
		if (!to)
			return -ENOMEM;
		*to = e[i];
	}
	return 0;
}

int catalogue_build_put(struct catalogue_build *b, enum image_class class, uint32_t node,
			struct slice text, uint32_t value)
{
	struct image_entry new = { .class = class, .node = node, .value = value };
	struct image_entry *e;
	int r;

	if (b->used >= b->n[IMAGE_entries] / 2) {
		r = double_table(b);
		if (r < 0)
			return r;
	}
	e = probe(b, class, node, text);
	if (!e)
		return -ENOMEM;
	if (e->class != IMAGE_EMPTY)
		return -EEXIST;
	r = catalogue_build_string(b, text, &new.text);
	if (r < 0)
		return r;
	*e = new;
	b->used++;
	return 0;
}

int catalogue_build_child(struct catalogue_build *b, uint32_t node, struct slice text)
{
	int child = catalogue_build_find(b, IMAGE_EDGE, node, text);
	int r;

	if (child >= 0)
		return child;
	child = catalogue_build_node(b);
	if (child < 0)
		return child;
	r = catalogue_build_put(b, IMAGE_EDGE, node, text, (uint32_t)child);
	return r < 0 ? r : child;
}

static int pad_to_8(struct buf *out, size_t start)
{
	static const char zero[8];

	return buf_append(out, zero, -(buf_len(out) - start) & 7);
}

int catalogue_build_finish(struct catalogue_build *b, struct buf *ret)
{
	struct image_header h = { .magic = IMAGE_MAGIC, .version = IMAGE_VERSION };
	size_t at = sizeof(h), start = buf_len(ret);
	int r;

	_Static_assert(sizeof(h) % 8 == 0, "sections begin at multiples of 8");
	for (int i = 0; i < IMAGE_SECTION_COUNT; i++) {
		h.section[i].off = (uint32_t)at;
		h.section[i].n = b->n[i];
		at = (at + buf_len(&b->section[i]) + 7) & ~(size_t)7;
	}
	if (at > IMAGE_MAX)
		return -EMSGSIZE;
	h.size = (uint32_t)at;
	h.key_prefix_lengths = b->key_prefix_lengths;
	r = buf_append(ret, &h, sizeof(h));
	for (int i = 0; i < IMAGE_SECTION_COUNT && r == 0; i++) {
		r = buf_append_slice(ret, buf_slice(&b->section[i]));
		if (r == 0)
			r = pad_to_8(ret, start);
	}
	return r;
}

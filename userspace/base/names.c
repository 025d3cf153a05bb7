/* SPDX-License-Identifier: Apache-2.0 */
#include "base/names.h"

#include "base/hash.h"

/* The slot that holds the name, or the free one where it belongs. There is always a free one. */
static size_t find_slot(const uint32_t *slots, size_t n_slots, const struct slice *by_number,
			struct slice name)
{
	size_t i = hash_bytes(HASH_SEED, name) & (n_slots - 1);

	while (slots[i] && !slice_eq(by_number[slots[i] - 1], name))
		i = (i + 1) & (n_slots - 1);
	return i;
}

static int grow(struct names *t)
{
	size_t room = t->room ? 2 * t->room : 16, n_slots = 2 * room;
	struct slice *name;
	uint32_t *slots;

	if (room > NAMES_MAX)
		return -EMSGSIZE;
	slots = calloc(n_slots, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	name = realloc(t->name, room * sizeof(*name));
	if (!name) {
		free(slots);
		return -ENOMEM;
	}
	for (size_t i = 0; i < t->n; i++)
		slots[find_slot(slots, n_slots, name, name[i])] = (uint32_t)i + 1;
	free(t->slots);
	t->name = name;
	t->slots = slots;
	t->room = room;
	t->n_slots = n_slots;
	return 0;
}

int names_add(struct names *t, struct slice name, bool *ret_new)
{
	size_t slot;
	int r;

	if (t->n == t->room) {
		r = grow(t);
		if (r < 0)
			return r;
	}
	slot = find_slot(t->slots, t->n_slots, t->name, name);
	if (ret_new)
		*ret_new = !t->slots[slot];
	if (!t->slots[slot]) {
		t->name[t->n] = name;
		t->slots[slot] = (uint32_t)++t->n;
	}
	return (int)t->slots[slot] - 1;
}

int names_find(const struct names *t, struct slice name)
{
	if (!t->n)
		return -1;
	return (int)t->slots[find_slot(t->slots, t->n_slots, t->name, name)] - 1;
}

void names_done(struct names *t)
{
	free(t->name);
	free(t->slots);
	*t = (struct names){ 0 };
}

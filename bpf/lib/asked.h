/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a cgroup that may not reach just anything called the addresses it was refused: for the words
 * of an event. Nothing is decided by it. Pure.
 */
#pragma once

#include "lib/learn.h"
#include "lib/name.h"

/* 1 + its place; 0: not there. */
addr_inline __u32 asked_find(const struct eg_asked *t, const struct eg_addr *a)
{
	for (__u32 i = 0; i < EG_ASKED; i++)
		if (t->entry[i].name[0] && learn_same(&t->entry[i].addr, a))
			return i + 1;
	return 0;
}

/* In its own place, or in that of the oldest. name: EG_EVENT_NAME bytes. Races as in learn_put(): a
 * name of another address in an event. */
addr_inline void asked_put(struct eg_asked *t, const struct eg_addr *a, const char *name)
{
	__u64 i = asked_find(t, a);

	i = i ? i - 1 : t->next++;
	i = NAME_INDEX(i, EG_ASKED);
	t->entry[i].addr = *a;
	__builtin_memcpy(t->entry[i].name, name, EG_EVENT_NAME);
}

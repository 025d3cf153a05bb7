/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/layouts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"

#define NAME	 "layouts"
#define NEXT	 "layouts-next"
#define CHANGING "changing"

/* The number that follows "NAME=" in a text of such words; 0: there is none. */
static unsigned number_of(const char *text, const char *name)
{
	size_t n = strlen(name);

	while (*text) {
		size_t word = strcspn(text, " ");

		if (word > n && text[n] == '=' && memcmp(text, name, n) == 0)
			return (unsigned)strtoul(text + n + 1, NULL, 10);
		text += word + (text[word] == ' ');
	}
	return 0;
}

int layouts_read(const char *dir, bool known[PINS_MAP_COUNT])
{
	char path[4096], text[PATH_MAX];
	ssize_t n;
	int r;

	r = pins_path(dir, NAME, path, sizeof(path));
	if (r < 0)
		return r;
	n = readlink(path, text, sizeof(text) - 1);
	if (n < 0 && errno != ENOENT)
		return -errno;
	if (n >= 0)
		text[n] = '\0';
	for (unsigned i = 0; i < PINS_MAP_COUNT; i++)
		known[i] = pins_map_layout(i) == (n < 0 ? 1 : number_of(text, pins_map_name(i)));
	return 0;
}

/* In one step: none would be taken for layout 1. */
static int put(const char *dir, const char *text)
{
	char path[4096], next[4096];
	int r;

	r = pins_path(dir, NAME, path, sizeof(path));
	if (r == 0)
		r = pins_path(dir, NEXT, next, sizeof(next));
	if (r < 0)
		return r;
	if ((unlink(next) < 0 && errno != ENOENT) || symlink(text, next) < 0 ||
	    rename(next, path) < 0)
		return -errno;
	return 0;
}

int layouts_begin(const char *dir)
{
	return put(dir, CHANGING);
}

int layouts_done(const char *dir)
{
	char text[PATH_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < PINS_MAP_COUNT; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s=%u", i ? " " : "",
				      pins_map_name(i), pins_map_layout(i));
	return put(dir, text);
}

int layouts_remove(const char *dir)
{
	static const char *const names[] = { NEXT, NAME };
	char path[4096];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r = pins_path(dir, names[i], path, sizeof(path));

		if (r < 0)
			return r;
		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

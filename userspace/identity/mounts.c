/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/mounts.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#define TABLE_MAX (16u << 20)
#define CHUNK	  16384

static int read_table(int fd, struct buf *ret)
{
	buf_clear(ret);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		char *to = buf_reserve(ret, CHUNK);
		ssize_t n;

		if (!to)
			return buf_len(ret) + CHUNK > TABLE_MAX ? -EMSGSIZE : -ENOMEM;
		n = read(fd, to, CHUNK);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0)
			buf_commit(ret, (size_t)n);
	}
}

int mounts_read(int dir, struct buf *ret)
{
	_cleanup_close_ int fd = openat(dir, "mountinfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	buf_init(ret, TABLE_MAX);
	return read_table(fd, ret);
}

int mounts_host_open(struct mounts_host *h, const char *proc)
{
	char path[4096];

	*h = (struct mounts_host){ .fd = -EBADF };
	buf_init(&h->table, TABLE_MAX);
	if ((size_t)snprintf(path, sizeof(path), "%s/1/mountinfo", proc) >= sizeof(path))
		return -ENAMETOOLONG;
	h->fd = open(path, O_RDONLY | O_CLOEXEC);
	return h->fd < 0 ? -errno : 0;
}

void mounts_host_close(struct mounts_host *h)
{
	cleanup_close(&h->fd);
	buf_release(&h->table);
	h->fd = -EBADF;
}

struct slice mounts_host_table(struct mounts_host *h)
{
	struct pollfd p = { .fd = h->fd, .events = POLLPRI };

	/* Readable is always reported; an error means a change since the last such call. */
	if (poll(&p, 1, 0) < 0 || p.revents & (POLLPRI | POLLERR | POLLNVAL))
		h->fresh = false;
	if (!h->fresh) {
		h->fresh = read_table(h->fd, &h->table) == 0;
		if (!h->fresh)
			buf_clear(&h->table);
	}
	return buf_slice(&h->table);
}

static struct slice take_word(struct slice *line)
{
	const char *end = memchr(line->p, ' ', line->n);
	struct slice word = slice_of(line->p, end ? (size_t)(end - line->p) : line->n);

	*line = slice_of(line->p + word.n, line->n - word.n);
	if (line->n)
		*line = slice_of(line->p + 1, line->n - 1);
	return word;
}

static bool take_number(struct slice *word, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < word->n && i < 18 && word->p[i] >= '0' && word->p[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(word->p[i] - '0');
	*word = slice_of(word->p + i, word->n - i);
	*ret = n;
	return i > 0;
}

/* "ID PARENT MAJOR:MINOR ROOT WHERE OPTIONS [FIELDS...] - TYPE SOURCE OPTIONS", see proc(5). */
static bool parse_line(struct slice line, uint64_t *ret_id, struct mount *ret)
{
	struct slice id = take_word(&line), dev, word;
	uint64_t major, minor;

	(void)take_word(&line);
	dev = take_word(&line);
	(void)take_word(&line);
	ret->where = take_word(&line);
	if (!take_number(&id, ret_id) || !take_number(&dev, &major) || !dev.n)
		return false;
	dev = slice_of(dev.p + 1, dev.n - 1);
	if (!take_number(&dev, &minor))
		return false;
	ret->dev = (uint32_t)(major << 20 | minor);
	do {
		word = take_word(&line);
		if (!line.n)
			return false;
	} while (!slice_eq(word, SLICE("-")));
	ret->type = take_word(&line);
	return true;
}

static bool next_mount(struct slice *table, uint64_t *ret_id, struct mount *ret)
{
	while (table->n) {
		const char *end = memchr(table->p, '\n', table->n);
		struct slice line = slice_of(table->p, end ? (size_t)(end - table->p) : table->n);
		size_t used = line.n + (end ? 1 : 0);

		*table = slice_of(table->p + used, table->n - used);
		if (parse_line(line, ret_id, ret))
			return true;
	}
	return false;
}

bool mounts_find_id(struct slice table, uint64_t id, struct mount *ret)
{
	uint64_t this;

	while (next_mount(&table, &this, ret))
		if (this == id)
			return true;
	return false;
}

bool mounts_find_dev(struct slice table, uint32_t dev, struct mount *ret)
{
	uint64_t id;

	while (next_mount(&table, &id, ret))
		if (ret->dev == dev)
			return true;
	return false;
}

/* One byte of a mount point, in which spaces and the like stand as \ooo. */
static char take_byte(struct slice *where)
{
	bool octal = where->n >= 4 && where->p[0] == '\\';
	char c = octal ? (char)((where->p[1] - '0') << 6 | (where->p[2] - '0') << 3 |
				(where->p[3] - '0'))
		       : where->p[0];

	*where = slice_of(where->p + (octal ? 4 : 1), where->n - (octal ? 4 : 1));
	return c;
}

static bool is_below(struct slice path, struct slice where)
{
	size_t i = 0;

	if (slice_eq(where, SLICE("/")))
		return true;
	for (; where.n; i++)
		if (i == path.n || take_byte(&where) != path.p[i])
			return false;
	return i == path.n || path.p[i] == '/';
}

bool mounts_find_path(struct slice table, struct slice path, struct mount *ret)
{
	struct mount m;
	bool found = false;
	uint64_t id;

	while (next_mount(&table, &id, &m)) {
		if (!is_below(path, m.where))
			continue;
		if (!found || m.where.n >= ret->where.n)
			*ret = m;
		found = true;
	}
	return found;
}

bool mounts_may_hang(const struct mount *m)
{
	return slice_eq(m->type, SLICE("fuse")) || slice_has_prefix(m->type, SLICE("fuse.")) ||
	       slice_eq(m->type, SLICE("fuseblk")) || slice_eq(m->type, SLICE("virtiofs"));
}

bool mounts_is_plain(const struct mount *m)
{
	static const char *const types[] = { "ext4", "xfs",  "btrfs",	 "tmpfs", "zfs",   "ext3",
					     "ext2", "f2fs", "bcachefs", "ramfs", "rootfs" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (slice_eq(m->type, slice_str(types[i])))
			return true;
	return false;
}

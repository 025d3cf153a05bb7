/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pem.h"

#include <fcntl.h>
#include <sys/stat.h>

#define BEGIN SLICE("-----BEGIN CERTIFICATE-----")
#define END   SLICE("-----END CERTIFICATE-----")

/* 0..63; -1: not of the alphabet. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int decode_base64(struct slice s, struct buf *out)
{
	unsigned bits = 0, held = 0, padding = 0;

	for (size_t i = 0; i < s.n; i++) {
		char byte;
		int v;

		if (s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == ' ' || s.p[i] == '\t')
			continue;
		if (s.p[i] == '=') {
			padding++;
			continue;
		}
		v = value_of(s.p[i]);
		if (v < 0 || padding)
			return -EINVAL;
		held = held << 6 | (unsigned)v;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		byte = (char)(held >> bits & 0xff);
		held &= (1u << bits) - 1;
		if (buf_append(out, &byte, 1) < 0)
			return -ENOMEM;
	}
	return padding > 2 || held ? -EINVAL : 0;
}

/* Moves *text behind the next `mark`; what was before it goes to *before. */
static bool cut(struct slice *text, struct slice mark, struct slice *before)
{
	const char *at = memmem(text->p, text->n, mark.p, mark.n);

	if (!at)
		return false;
	*before = slice_of(text->p, (size_t)(at - text->p));
	*text = slice_of(at + mark.n, text->n - before->n - mark.n);
	return true;
}

int pem_next(struct slice *text, struct buf *der)
{
	struct slice before, body;
	int r;

	buf_clear(der);
	if (!cut(text, BEGIN, &before))
		return 0;
	if (!cut(text, END, &body))
		return -EINVAL;
	r = decode_base64(body, der);
	if (r < 0)
		return r;
	return buf_len(der) ? 1 : -EINVAL;
}

int pem_read_file(const char *path, struct buf *ret)
{
	/* Not blocking: a path of an environment variable may be a FIFO. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	buf_init(ret, PEM_FILE_MAX);
	for (;;) {
		char *to = buf_reserve(ret, 65536);
		ssize_t n;

		if (!to) {
			buf_release(ret);
			return -EFBIG;
		}
		n = read(fd, to, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;

			buf_release(ret);
			return -error;
		}
		if (n == 0)
			return 0;
		buf_commit(ret, (size_t)n);
	}
}

bool pem_holds(struct slice text, struct slice der)
{
	struct buf one;
	bool found = false;
	int r = 1;

	buf_init(&one, 1u << 20);
	/* A damaged block of somebody else's does not hide the ones after it. */
	while (!found && r != 0 && r != -ENOMEM) {
		r = pem_next(&text, &one);
		found = r == 1 && slice_eq(buf_slice(&one), der);
	}
	buf_release(&one);
	return found;
}

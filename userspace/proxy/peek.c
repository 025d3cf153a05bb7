/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/peek.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

static void set_low_water(int fd, size_t n)
{
	int value = (int)n;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value));
}

/* The client has sent all it will: what is missing will not come. */
static bool is_over(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void peek_forget(int fd)
{
	set_low_water(fd, 1);
}

bool peek_is_urgent(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT) >= 0 || errno == EAGAIN;
}

static enum peek_result decided(int fd, enum peek_result result)
{
	peek_forget(fd);
	return result;
}

static enum peek_result judge(int fd, size_t n, const struct hello *h, enum hello_result r,
			      enum eg_reason *ret_reason)
{
	switch (r) {
	case HELLO_OK:
		return decided(fd, PEEK_DONE);
	case HELLO_NEED_MORE:
		*ret_reason = n ? EG_REASON_hello_malformed : EG_REASON_client_gone;
		if (is_over(fd) || peek_is_urgent(fd))
			return PEEK_FAILED;
		set_low_water(fd, h->need > n ? h->need : n + 1);
		return PEEK_AGAIN;
	case HELLO_NOT_TLS:
		*ret_reason = EG_REASON_not_tls;
		break;
	case HELLO_MALFORMED:
		*ret_reason = EG_REASON_hello_malformed;
		break;
	case HELLO_TOO_LARGE:
		*ret_reason = EG_REASON_hello_too_large;
		break;
	}
	return decided(fd, PEEK_FAILED);
}

enum peek_result peek_hello(int fd, char *wire, char *scratch, struct hello *ret,
			    enum eg_reason *ret_reason)
{
	ssize_t n;

	do {
		n = recv(fd, wire, HELLO_WIRE_MAX, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return PEEK_AGAIN;
	if (n <= 0) {
		*ret_reason = EG_REASON_client_gone;
		return PEEK_FAILED;
	}
	return judge(fd, (size_t)n, ret, hello_parse(slice_of(wire, (size_t)n), scratch, ret),
		     ret_reason);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The price of connect() and of one UDP datagram to an address, in nanoseconds: what every workload
 * pays for the hooks, governed or not. `make bench` runs it inside and outside of the enforced
 * cgroup. Prints the median of each as JSON.
 *
 *   connect IPV4 TCP_PORT UDP_PORT COUNT
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 100000u

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

/* Time of one connect(); the connection is reset, so that no TIME_WAIT is left. 0: it failed. */
static uint64_t time_connect(const struct sockaddr_in *to)
{
	struct linger reset = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t begun, took = 0;

	if (fd < 0)
		return 0;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	begun = now_ns();
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
		took = now_ns() - begun;
	(void)close(fd);
	return took;
}

static uint64_t time_datagram(int fd, const struct sockaddr_in *to)
{
	uint64_t begun = now_ns();

	if (sendto(fd, "x", 1, 0, (const struct sockaddr *)to, sizeof(*to)) != 1)
		return 0;
	return now_ns() - begun;
}

int main(int argc, char **argv)
{
	static uint64_t tcp[COUNT_MAX], udp[COUNT_MAX];
	struct sockaddr_in to = { .sin_family = AF_INET }, udp_to;
	size_t count = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!count || count > COUNT_MAX || fd < 0 ||
	    inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		(void)fprintf(stderr, "usage: connect IPV4 TCP_PORT UDP_PORT COUNT\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	udp_to = to;
	udp_to.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	for (size_t i = 0; i < count; i++) {
		tcp[i] = time_connect(&to);
		udp[i] = time_datagram(fd, &udp_to);
		if (!tcp[i] || !udp[i]) {
			perror("connect");
			return 1;
		}
	}
	(void)printf("{\"connect_ns\": %llu, \"datagram_ns\": %llu}\n",
		     (unsigned long long)median(tcp, count),
		     (unsigned long long)median(udp, count));
	return 0;
}

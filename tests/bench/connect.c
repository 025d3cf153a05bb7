/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The price of a TCP connection and of a UDP datagram to an address, in nanoseconds: what every
 * workload pays for the hooks, governed or not. `make bench` runs it inside and outside of the
 * enforced cgroup. Prints JSON: the CPU of socket + connect + close and of sendto, on average,
 * which what else runs on the machine hardly moves; and the median time of connect() alone.
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

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
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

/* Time of one connect(); 0: it failed. */
static uint64_t time_connect(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t begun, took = 0;

	if (fd < 0)
		return 0;
	begun = now_ns(CLOCK_MONOTONIC);
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
		took = now_ns(CLOCK_MONOTONIC) - begun;
	(void)close(fd);
	return took;
}

static int measure(const struct sockaddr_in *tcp, const struct sockaddr_in *udp, size_t count)
{
	static uint64_t took[COUNT_MAX];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t begun, pair_ns, datagram_ns;

	if (fd < 0)
		return -1;
	begun = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < count; i++) {
		took[i] = time_connect(tcp);
		if (!took[i])
			return -1;
	}
	pair_ns = (now_ns(CLOCK_THREAD_CPUTIME_ID) - begun) / count;
	begun = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < count; i++)
		if (sendto(fd, "x", 1, 0, (const struct sockaddr *)udp, sizeof(*udp)) != 1)
			return -1;
	datagram_ns = (now_ns(CLOCK_THREAD_CPUTIME_ID) - begun) / count;
	(void)printf("{\"connect_ns\": %llu, \"pair_ns\": %llu, \"datagram_ns\": %llu}\n",
		     (unsigned long long)median(took, count), (unsigned long long)pair_ns,
		     (unsigned long long)datagram_ns);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET }, udp;
	size_t count = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;

	if (!count || count > COUNT_MAX || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		(void)fprintf(stderr, "usage: connect IPV4 TCP_PORT UDP_PORT COUNT\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	udp = to;
	udp.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	if (measure(&to, &udp, count) < 0) {
		perror("connect");
		return 1;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of 64 KiB to peer.c, WINDOW of them under way at once, each answered by a byte. On each of
 * CONNECTIONS connections, one after the other, COUNT blocks; the first begins with what a file
 * holds (a ClientHello), when one is given. Prints JSON: time and own CPU in nanoseconds, and the
 * median time from connect() to the first answer.
 *
 *   blocks IPV4 PORT CONNECTIONS COUNT WINDOW [FILE]
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK		65536u
#define CONNECTIONS_MAX 10000u

static char first[BLOCK], block[BLOCK];
static uint64_t took[CONNECTIONS_MAX];

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int send_all(int fd, const char *p)
{
	for (size_t n = 0; n < BLOCK;) {
		ssize_t r = send(fd, p + n, BLOCK - n, MSG_NOSIGNAL);

		if (r <= 0)
			return -1;
		n += (size_t)r;
	}
	return 0;
}

/* Returns the time to the first answer; 0: it failed. */
static uint64_t run(const struct sockaddr_in *to, size_t count, size_t window)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t begun = now_ns(CLOCK_MONOTONIC), answered = 0;
	size_t sent = 0, done = 0;
	char answers[64];

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		return 0;
	while (done < count) {
		ssize_t n;

		for (; sent < count && sent - done < window; sent++)
			if (send_all(fd, sent ? block : first) < 0)
				return 0;
		n = recv(fd, answers, sizeof(answers), 0);
		if (n <= 0)
			return 0;
		if (!answered)
			answered = now_ns(CLOCK_MONOTONIC) - begun;
		done += (size_t)n;
	}
	(void)close(fd);
	return answered;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int read_first(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, first, sizeof(first));

	if (fd >= 0)
		(void)close(fd);
	return n > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	size_t connections, count, window;
	uint64_t begun, cpu;

	if ((argc != 6 && argc != 7) || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
	    (argc == 7 && read_first(argv[6]) < 0)) {
		(void)fprintf(stderr, "usage: blocks IPV4 PORT CONNECTIONS COUNT WINDOW [FILE]\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	connections = strtoul(argv[3], NULL, 10);
	count = strtoul(argv[4], NULL, 10);
	window = strtoul(argv[5], NULL, 10);
	if (!connections || connections > CONNECTIONS_MAX || !count || !window)
		return 2;
	begun = now_ns(CLOCK_MONOTONIC);
	cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < connections; i++) {
		took[i] = run(&to, count, window);
		if (!took[i]) {
			perror("blocks");
			return 1;
		}
	}
	begun = now_ns(CLOCK_MONOTONIC) - begun;
	cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	qsort(took, connections, sizeof(*took), by_value);
	(void)printf("{\"ns\": %llu, \"cpu_ns\": %llu, \"first_ns\": %llu}\n",
		     (unsigned long long)begun, (unsigned long long)cpu,
		     (unsigned long long)took[connections / 2]);
	return 0;
}

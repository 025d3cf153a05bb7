/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workload that opens connections and drops them again as fast as it can, and one that makes
 * network namespaces and is gone before anybody can enter them.
 *
 *   flood connect IPV4 PORT MS   opens and drops; prints how many in how many ms
 *   flood netns IPV4 PORT COUNT  processes, each in a new network namespace; prints how many came
 *                                out, as far as connect() says
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Every other one is reset. */
static int open_and_drop(const struct sockaddr_in *to, int reset)
{
	struct linger linger = { .l_onoff = reset };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	r = connect(fd, (const struct sockaddr *)to, sizeof(*to));
	(void)close(fd);
	return r;
}

static void flood(const struct sockaddr_in *to, uint64_t ms)
{
	uint64_t begun = now_ms();
	unsigned opened = 0, failed = 0;

	while (now_ms() - begun < ms) {
		if (open_and_drop(to, (opened + failed) & 1) == 0)
			opened++;
		else
			failed++;
	}
	(void)printf("{\"opened\": %u, \"failed\": %u, \"ms\": %llu}\n", opened, failed,
		     (unsigned long long)(now_ms() - begun));
}

static int from_new_netns(const struct sockaddr_in *to)
{
	int fd, r;

	if (unshare(CLONE_NEWNET) < 0)
		return 2;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	r = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)to, sizeof(*to));
	return r == 0;
}

static int make_netns(const struct sockaddr_in *to, unsigned count)
{
	unsigned out = 0, wrong = 0;

	for (unsigned i = 0; i < count; i++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0)
			_exit(from_new_netns(to));
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
		    WEXITSTATUS(status) > 1)
			wrong++;
		else
			out += (unsigned)WEXITSTATUS(status);
	}
	(void)printf("{\"made\": %u, \"connected\": %u, \"failed\": %u}\n", count - wrong, out,
		     wrong);
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	if (argc != 5 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
		(void)fprintf(stderr, "usage: flood connect|netns IPV4 PORT MS|COUNT\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	if (strcmp(argv[1], "netns") == 0)
		return make_netns(&to, (unsigned)strtoul(argv[4], NULL, 10));
	flood(&to, strtoul(argv[4], NULL, 10));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The client against answers no egretd gives, and against no egretd at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "control/client.h"
#include "control/server.h"

static char dir[64], path[96];

static int make_dir(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/egret-client-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/control.sock", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

/* A process that takes one connection, its request, and answers with these bytes. */
static pid_t answer_with(const char *bytes)
{
	struct diag d = { 0 };
	char line[512];
	int fd, c;
	pid_t pid;

	assert_int_equal(control_listen(path, &d, &fd), 0);
	pid = fork();
	if (pid == 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		c = poll(&p, 1, 30000) == 1 ? accept(fd, NULL, NULL) : -1;
		if (c < 0 || recv(c, line, sizeof(line), 0) <= 0)
			_exit(1);
		(void)!send(c, bytes, strlen(bytes), MSG_NOSIGNAL);
		_exit(0);
	}
	close(fd);
	return pid;
}

static int last_of(const char *bytes, struct diag *d)
{
	pid_t pid = answer_with(bytes);
	struct client *c;
	json_t *line;
	int kind, status;

	assert_int_equal(client_open(path, d, &c), 0);
	assert_int_equal(client_send(c, "echo", NULL, d), 0);
	while ((kind = client_next(c, d, &line)) == CLIENT_ROW)
		json_decref(line);
	if (kind >= 0)
		json_decref(line);
	(void)client_free(c);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return kind;
}

static void whole_answer_is_read(void **state)
{
	struct diag d = { 0 };

	(void)state;
	assert_int_equal(last_of("{\"row\":{}}\n{\"row\":{\"a\":1}}\n{\"end\":{}}\n", &d),
			 CLIENT_END);
	assert_int_equal(last_of("{\"error\":{\"reason\":\"r\",\"message\":\"m\"}}\n", &d),
			 CLIENT_ERROR);
}

static void cut_answer_is_an_error(void **state)
{
	static const char *const cut[] = { "", "{\"row\":{}}\n", "{\"row\":{}}\n{\"end\":{}}",
					   "{\"row\":{}}\n{\"en" };
	struct diag d = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cut); i++)
		assert_int_equal(last_of(cut[i], &d), -EPIPE);
	assert_non_null(strstr(d.text, "broke off"));
}

static void foreign_answer_is_an_error(void **state)
{
	static const char *const bad[] = { "HTTP/1.1 400 Bad Request\n",
					   "\n",
					   "[]\n",
					   "{}\n",
					   "{\"end\":1}\n",
					   "{\"end\":{},\"row\":{}}\n",
					   "{\"fin\":{}}\n",
					   "{\"end\":{},\"end\":{}}\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct diag d = { 0 };

		assert_int_equal(last_of(bad[i], &d), -EPROTO);
		assert_non_null(strstr(d.text, path));
	}
}

static void absent_daemon_is_named(void **state)
{
	struct diag d = { 0 };
	struct client *c;
	int fd;

	(void)state;
	(void)unlink(path);
	assert_int_equal(client_open(path, &d, &c), -ENOENT);
	assert_non_null(strstr(d.text, "egretd is not running"));
	assert_int_equal(control_listen(path, &d, &fd), 0);
	close(fd);
	assert_int_equal(client_open(path, &d, &c), -ECONNREFUSED);
	assert_non_null(strstr(d.text, "egretd is not running"));
}

static void path_too_long_is_refused(void **state)
{
	char name[200];
	struct diag d = { 0 };
	struct client *c;
	int fd;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(client_open(name, &d, &c), -ENAMETOOLONG);
	assert_int_equal(control_listen(name, &d, &fd), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_answer_is_read),
		cmocka_unit_test(cut_answer_is_an_error),
		cmocka_unit_test(foreign_answer_is_an_error),
		cmocka_unit_test(absent_daemon_is_named),
		cmocka_unit_test(path_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

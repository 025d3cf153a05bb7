/* SPDX-License-Identifier: Apache-2.0 */
/* The control server against polite and rude clients. The server is a process of its own. */
#include "serve.h"

#include <grp.h>
#include <poll.h>

static struct control_opts short_request = { .request_us = 100000,
					     .answer_us = 60000000,
					     .stall_us = 60000000 };
static struct control_opts short_answer = { .request_us = 60000000,
					    .answer_us = 300000,
					    .stall_us = 60000000 };
static struct control_opts short_stall = {
	.answer_max = 256u << 20, .request_us = 60000000, .answer_us = 60000000, .stall_us = 100000
};

/* One exchange through the client: rows counted, the last line returned. */
static enum client_answer ask_rows(const struct served *v, const char *cmd, json_t *args,
				   unsigned *ret_rows, json_t **ret)
{
	struct client *c = NULL;
	struct diag d = { 0 };
	unsigned rows = 0;
	int kind;

	assert_int_equal(client_open(v->path, &d, &c), 0);
	assert_int_equal(client_send(c, cmd, args, &d), 0);
	while ((kind = client_next(c, &d, ret)) == CLIENT_ROW) {
		json_decref(*ret);
		rows++;
	}
	if (kind < 0)
		print_error("%s\n", d.text);
	assert_true(kind >= 0);
	(void)client_free(c);
	json_decref(args);
	if (ret_rows)
		*ret_rows = rows;
	return (enum client_answer)kind;
}

static enum client_answer ask(const struct served *v, const char *cmd, json_t *args, json_t **ret)
{
	return ask_rows(v, cmd, args, NULL, ret);
}

static void assert_text(json_t *object, const char *key, const char *want)
{
	const char *have = json_string_value(json_object_get(object, key));

	assert_non_null(have);
	assert_string_equal(have, want);
	json_decref(object);
}

static void request_is_answered(void **state)
{
	json_t *end;

	assert_int_equal(ask(*state, "echo", json_pack("{ss}", "a", "b"), &end), CLIENT_END);
	assert_text(end, "a", "b");
}

static void missing_args_are_an_empty_object(void **state)
{
	char *text = raw_ask(*state, "{\"cmd\":\"echo\"}\n", 15);

	assert_string_equal(text, "{\"end\":{}}\n");
	free(text);
}

static void rows_come_in_order_and_whole(void **state)
{
	unsigned rows;
	json_t *end;

	/* More than a socket buffer and less than the bound on waiting bytes. */
	assert_int_equal(
		ask_rows(*state, "rows", json_pack("{si si}", "n", 200, "size", 1000), &rows, &end),
		CLIENT_END);
	assert_int_equal(rows, 200);
	json_decref(end);
}

static void answer_may_come_later(void **state)
{
	json_t *end;

	assert_int_equal(ask(*state, "later", NULL, &end), CLIENT_END);
	assert_true(json_is_true(json_object_get(end, "late")));
	json_decref(end);
}

static json_t *text_of(size_t n)
{
	char *text = malloc(n);
	json_t *args;

	memset(text, 't', n);
	args = json_pack("{ss#}", "text", text, (int)n);
	free(text);
	return args;
}

static void long_text_of_roots_is_taken(void **state)
{
	json_t *end;

	if (geteuid() != 0)
		skip();
	assert_int_equal(ask(*state, "text", text_of(9u << 20), &end), CLIENT_END);
	assert_int_equal(json_integer_value(json_object_get(end, "length")), 9u << 20);
	json_decref(end);
	assert_int_equal(ask(*state, "echo", text_of(100000), &end), CLIENT_ERROR);
	assert_text(end, "reason", "too_large");
	assert_int_equal(ask(*state, "text", text_of(18u << 20), &end), CLIENT_ERROR);
	assert_text(end, "reason", "too_large");
}

static void connection_can_be_given_away(void **state)
{
	json_t *end;

	assert_int_equal(ask(*state, "take", NULL, &end), CLIENT_END);
	assert_text(end, "by", "another");
}

static void peer_is_who_connected(void **state)
{
	json_t *end;

	assert_int_equal(ask(*state, "peer", NULL, &end), CLIENT_END);
	assert_int_equal(json_integer_value(json_object_get(end, "pid")), getpid());
	assert_int_equal(json_integer_value(json_object_get(end, "uid")), getuid());
	json_decref(end);
}

static void diagnostic_keeps_its_place(void **state)
{
	json_t *e;

	assert_int_equal(ask(*state, "diag", NULL, &e), CLIENT_ERROR);
	assert_int_equal(json_integer_value(json_object_get(e, "line")), 3);
	assert_int_equal(json_integer_value(json_object_get(e, "col")), 7);
	assert_text(e, "file", "p.json");
}

/* ---- bad requests ---- */

static void bad_requests_are_told_why(void **state)
{
	static const struct {
		const char *bytes, *want;
	} cases[] = {
		{ "\n", "bad_request" },
		{ "garbage\n", "bad_request" },
		{ "\x16\x03\x01\x02\n", "bad_request" },
		{ "[]\n", "bad_request" },
		{ "{}\n", "bad_request" },
		{ "{\"cmd\":1}\n", "bad_request" },
		{ "{\"cmd\":\"echo\",\"args\":[]}\n", "bad_request" },
		{ "{\"cmd\":\"echo\",\"more\":1}\n", "bad_request" },
		{ "{\"cmd\":\"echo\",\"cmd\":\"peer\"}\n", "bad_request" },
		{ "{\"cmd\":\"echo\"}\n{\"cmd\":\"echo\"}\n", "bad_request" },
		{ "{\"cmd\":\"rows\",\"args\":{\"n\":\"many\"}}\n", "bad_request" },
		{ "{\"cmd\":\"rows\",\"args\":{\"n\":-1}}\n", "bad_request" },
		{ "{\"cmd\":\"no.such\"}\n", "unknown_command" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = raw_ask(*state, cases[i].bytes, strlen(cases[i].bytes));

		if (!strstr(text, cases[i].want))
			fail_msg("%s was answered with %s", cases[i].bytes, text);
		assert_non_null(strstr(text, "{\"error\":{\"reason\":"));
		free(text);
	}
}

static void nul_byte_is_refused(void **state)
{
	char *text = raw_ask(*state, "{\"cmd\":\"echo\"}\0\n", 16);

	assert_non_null(strstr(text, "bad_request"));
	free(text);
}

static void oversized_request_is_refused(void **state)
{
	size_t n = (geteuid() == 0 ? CONTROL_TEXT_MAX : CONTROL_REQUEST_MAX) + 1;
	char *bytes = malloc(n), *text;

	memset(bytes, ' ', n);
	text = raw_ask(*state, bytes, n);
	assert_non_null(strstr(text, "too_large"));
	free(text);
	free(bytes);
}

static void largest_request_is_served(void **state)
{
	char *bytes = malloc(CONTROL_REQUEST_MAX), *text;

	memset(bytes, ' ', CONTROL_REQUEST_MAX);
	memcpy(bytes, "{\"cmd\":\"echo\"}", 14);
	bytes[CONTROL_REQUEST_MAX - 1] = '\n';
	text = raw_ask(*state, bytes, CONTROL_REQUEST_MAX);
	assert_string_equal(text, "{\"end\":{}}\n");
	free(text);
	free(bytes);
}

static void deep_nesting_is_refused(void **state)
{
	char bytes[40000], *text;

	memset(bytes, '[', sizeof(bytes));
	memcpy(bytes, "{\"cmd\":\"echo\",\"args\":", 21);
	bytes[sizeof(bytes) - 1] = '\n';
	text = raw_ask(*state, bytes, sizeof(bytes));
	assert_non_null(strstr(text, "bad_request"));
	free(text);
}

static void request_byte_by_byte_is_served(void **state)
{
	static const char line[] = "{\"cmd\":\"echo\"}\n";
	int fd = raw_connect(*state);
	char *text;

	for (size_t i = 0; i < sizeof(line) - 1; i++)
		assert_int_equal(send(fd, line + i, 1, MSG_NOSIGNAL), 1);
	text = read_all(fd);
	assert_string_equal(text, "{\"end\":{}}\n");
	free(text);
	close(fd);
}

static void half_a_request_times_out(void **state)
{
	char *text = raw_ask(*state, "{\"cmd\":", 7);

	assert_non_null(strstr(text, "\"timeout\""));
	free(text);
}

static void half_closed_client_is_still_answered(void **state)
{
	static const char line[] = "{\"cmd\":\"later\"}\n";
	int fd = raw_connect(*state);
	char *text;

	assert_int_equal(send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL), (int)sizeof(line) - 1);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	text = read_all(fd);
	assert_string_equal(text, "{\"end\":{\"late\":true}}\n");
	free(text);
	close(fd);
}

/* ---- bad readers, bad handlers ---- */

static void handler_that_never_answers_times_out(void **state)
{
	json_t *e;

	assert_int_equal(ask(*state, "hold", NULL, &e), CLIENT_ERROR);
	assert_text(e, "reason", "timeout");
}

/* A counter of the server's handlers. */
static json_int_t count(const struct served *v, const char *what)
{
	json_t *end;
	json_int_t n;

	assert_int_equal(ask(v, "count", NULL, &end), CLIENT_END);
	n = json_integer_value(json_object_get(end, what));
	json_decref(end);
	return n;
}

/* Returns when the server has closed its side; nothing is read. */
static void wait_hang_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	assert_int_equal(poll(&p, 1, 30000), 1);
}

static void vanished_client_is_noticed(void **state)
{
	static const char line[] = "{\"cmd\":\"watch\"}\n";
	int fd = raw_connect(*state);
	char byte;

	assert_int_equal(send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL), (int)sizeof(line) - 1);
	assert_int_equal(read(fd, &byte, 1), 1); /* its first row: the handler runs */
	close(fd);
	for (int i = 0; count(*state, "gone") == 0; i++)
		assert_true(i < 10000);
}

static void watch_has_no_deadline(void **state)
{
	static const char line[] = "{\"cmd\":\"watch\"}\n";
	int fd = raw_connect(*state);
	json_t *e;
	char text[64];

	assert_int_equal(send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL), (int)sizeof(line) - 1);
	assert_true(read(fd, text, sizeof(text)) > 0);
	/* Another request runs into the deadline meanwhile; the watch must outlive it. */
	assert_int_equal(ask(*state, "hold", NULL, &e), CLIENT_ERROR);
	json_decref(e);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
}

static void slow_reader_is_dropped(void **state)
{
	int fd = raw_connect(*state), room;
	socklen_t n = sizeof(room);
	char line[128], *text;

	/* Rows of 1 KB: more than the kernel holds for a reader, less than the server does. */
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &n), 0);
	(void)snprintf(line, sizeof(line), "{\"cmd\":\"rows\",\"args\":{\"n\":%d,\"size\":1000}}\n",
		       room / 1000 + 200);
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), (int)strlen(line));
	wait_hang_up(fd);
	assert_int_equal(count(*state, "produced"), room / 1000 + 200);
	text = read_all(fd);
	assert_null(strstr(text, "\"end\""));
	free(text);
	close(fd);
}

static void answer_beyond_its_bound_breaks_off(void **state)
{
	int fd = raw_connect(*state), room;
	socklen_t n = sizeof(room);
	char line[128], *text;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &n), 0);
	(void)snprintf(line, sizeof(line), "{\"cmd\":\"rows\",\"args\":{\"n\":%d,\"size\":1000}}\n",
		       room / 1000 + 5000);
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), (int)strlen(line));
	/* A client that reads meanwhile may well get all of it: the bound is on what waits. */
	wait_hang_up(fd);
	assert_in_range(count(*state, "produced"), 1, room / 1000 + 300);
	text = read_all(fd);
	assert_null(strstr(text, "\"end\""));
	free(text);
	close(fd);
}

/* ---- rights ---- */

struct user {
	uid_t uid;
	gid_t gid, group;
};

/* What a process with these credentials is answered. */
static char *ask_as(const struct served *v, struct user u, const char *line)
{
	int p[2], status;
	char *text;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (setgroups(u.group ? 1 : 0, &u.group) < 0 || setgid(u.gid) < 0 ||
		    setuid(u.uid) < 0)
			_exit(1);
		text = raw_ask(v, line, strlen(line));
		(void)!write(p[1], text, strlen(text));
		_exit(0);
	}
	close(p[1]);
	text = read_all(p[0]);
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return text;
}

static void rights_follow_credentials(void **state)
{
	static const char read_line[] = "{\"cmd\":\"echo\"}\n",
			  admin_line[] = "{\"cmd\":\"take\"}\n",
			  run_dev[] = "{\"cmd\":\"run\",\"args\":{\"workload\":\"dev\"}}\n",
			  run_other[] = "{\"cmd\":\"run\",\"args\":{\"workload\":\"prod\"}}\n";
	static const struct {
		struct user user;
		const char *line;
		bool allowed;
	} cases[] = {
		{ { 65534, 65534, 0 }, read_line, false },
		{ { 65534, 65534, GROUP }, read_line, true },
		{ { 65534, GROUP, 0 }, read_line, true },
		{ { 65534, 65534, GROUP + 1 }, read_line, false },
		{ { 65534, 65534, GROUP }, admin_line, false },
		{ { 65534, 0, 0 }, admin_line, false }, /* root's group is not root */
		{ { RUNNER, RUNNER, 0 }, run_dev, true },
		{ { RUNNER, RUNNER, 0 }, run_other, false },
		{ { RUNNER, RUNNER, 0 }, read_line, false },
		{ { 65534, 65534, GROUP }, run_dev, false },
		{ { 0, 0, 0 }, run_other, true },
	};

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = ask_as(*state, cases[i].user, cases[i].line);
		bool refused = strstr(text, "not_allowed") != NULL;

		if (refused == cases[i].allowed)
			fail_msg("case %zu: %s", i, text);
		free(text);
	}
}

static void long_text_is_roots_alone(void **state)
{
	size_t n = CONTROL_REQUEST_MAX + 1;
	char *bytes = malloc(n + 1), *text;

	if (geteuid() != 0)
		skip();
	memset(bytes, ' ', n);
	memcpy(bytes, "{\"cmd\":\"text\"}", 14);
	bytes[n - 1] = '\n';
	bytes[n] = '\0';
	text = ask_as(*state, (struct user){ 65534, GROUP, 0 }, bytes);
	assert_non_null(strstr(text, "too_large"));
	free(text);
	free(bytes);
}

static void one_user_cannot_take_every_connection(void **state)
{
	const struct served *v = *state;
	json_t *end;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		int fds[3];
		char *text;

		if (setgroups(0, NULL) < 0 || setuid(65534) < 0)
			_exit(1);
		for (int i = 0; i < 3; i++)
			fds[i] = raw_connect(v);
		text = raw_ask(v, "{\"cmd\":\"echo\"}\n", 15);
		_exit(fds[2] >= 0 && strstr(text, "\"busy\"") ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(ask(v, "echo", NULL, &end), CLIENT_END);
	json_decref(end);
}

static void dead_socket_is_replaced(void **state)
{
	struct served *v = *state;
	struct diag d = { 0 };
	int fd;

	assert_int_equal(control_listen(v->path, &d, &fd), 0);
	close(fd);
	assert_int_equal(raw_connect(v), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(request_is_answered),
		SERVED(missing_args_are_an_empty_object),
		SERVED(rows_come_in_order_and_whole),
		SERVED(answer_may_come_later),
		SERVED(long_text_of_roots_is_taken),
		SERVED(connection_can_be_given_away),
		SERVED(peer_is_who_connected),
		SERVED(diagnostic_keeps_its_place),
		SERVED(bad_requests_are_told_why),
		SERVED(nul_byte_is_refused),
		SERVED(oversized_request_is_refused),
		SERVED(largest_request_is_served),
		SERVED(deep_nesting_is_refused),
		SERVED(request_byte_by_byte_is_served),
		SERVED_BY(short_request, half_a_request_times_out),
		SERVED(half_closed_client_is_still_answered),
		SERVED_BY(short_answer, handler_that_never_answers_times_out),
		SERVED(vanished_client_is_noticed),
		SERVED_BY(short_answer, watch_has_no_deadline),
		SERVED_BY(short_stall, slow_reader_is_dropped),
		SERVED(answer_beyond_its_bound_breaks_off),
		SERVED(rights_follow_credentials),
		SERVED(long_text_is_roots_alone),
		SERVED(one_user_cannot_take_every_connection),
		SERVED(dead_socket_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

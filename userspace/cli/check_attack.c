/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egret check --attack: tries to get around egret, as a workload would. A child asks the daemon for
 * a cgroup of its own, as `egret run` does, and makes the attempts of check_attempts.c one kind at
 * a time; between them the counters of the hooks say which one stopped it. An errno alone proves
 * nothing: the provider itself may have refused.
 */
#include "cli/check_attack.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/slice.h"
#include "cli/ask.h"
#include "cli/check.h"
#include "cli/text.h"

#define ADDRESSES_MAX 256u

struct attack {
	struct cli *cli;
	char address[ADDRESSES_MAX][INET6_ADDRSTRLEN];
	size_t n_address, n_left_out;
	char workload[256]; /* whose cgroup it is */
	int channel; /* to the child, or to the parent */
	pid_t pid;
	unsigned stopped, passed, impossible; /* ways, by their result */
	unsigned tried; /* attempts of all of them */
};

struct order {
	uint32_t attempt, family;
};

/* Of one kind against all addresses; from the child, first of all, one that means "ready". */
struct outcome {
	uint32_t tried, redirected, refused;
	uint32_t went; /* as far as the caller saw */
	int32_t error; /* the last one, positive */
};

/* ---- what is to be attacked ---- */

static int on_address(void *ctx, json_t *row)
{
	const char *text = json_string_value(json_object_get(row, "address"));
	struct attack *a = ctx;
	size_t n = text ? strcspn(text, "/") : 0;

	if (json_object_get(row, "cgroup"))
		return 0; /* governed in that cgroup only, which ours is not */
	if (a->n_address == ADDRESSES_MAX) {
		a->n_left_out++;
		return 0;
	}
	if (n > 0 && slice_copy(slice_of(text, n), a->address[a->n_address], INET6_ADDRSTRLEN))
		a->n_address++;
	return 0;
}

static int on_workload(void *ctx, json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	struct attack *a = ctx;

	if (!a->workload[0] && name && strcmp(name, "unknown") != 0)
		(void)slice_copy(slice_str(name), a->workload, sizeof(a->workload));
	return 0;
}

static int find_targets(struct attack *a, const char *workload)
{
	struct ask endpoints = { .command = "endpoint.list", .on_row = on_address, .ctx = a },
		   workloads = { .command = "workload.list", .on_row = on_workload, .ctx = a };
	json_t *end = NULL;
	int r = ask(a->cli, &endpoints, NULL, &end);

	json_decref(end);
	end = NULL;
	if (r == 0 && workload &&
	    !slice_copy(slice_str(workload), a->workload, sizeof(a->workload)))
		return cli_usage(a->cli, "--workload: the name is too long");
	if (r == 0 && !workload)
		r = ask(a->cli, &workloads, NULL, &end);
	json_decref(end);
	if (r < 0)
		return r;
	if (!a->n_address)
		return cli_fail(a->cli, "not_found",
				"no address is governed yet: see `egret endpoint list`");
	if (!a->workload[0])
		return cli_fail(a->cli, "not_found",
				"the policy names no workload to be: add one to it");
	if (a->n_left_out)
		cli_note(a->cli, "only the first %u governed addresses are tried, not %zu more",
			 ADDRESSES_MAX, a->n_left_out);
	return 0;
}

/* ---- the child ---- */

static void try_one(const struct attempt *t, const char *text, enum attempt_family f,
		    struct outcome *o)
{
	union attempt_address to;
	socklen_t n;
	int r;

	if (!attempt_address(text, f, &to, &n))
		return;
	r = t->run(&to, n);
	o->tried++;
	o->redirected += r == ATTEMPT_REDIRECTED;
	o->went += r == 0;
	o->refused += r < 0;
	if (r < 0)
		o->error = -r;
}

static struct outcome try_all(const struct attack *a, const struct order *order)
{
	const struct attempt *t = &attempts[order->attempt];
	enum attempt_family f = (enum attempt_family)order->family;
	struct outcome o = { 0 };

	if (t->is_local)
		try_one(t, f == ATTEMPT_IPV4 ? "127.0.0.1" : "::1", f, &o);
	for (size_t i = 0; !t->is_local && i < a->n_address; i++)
		try_one(t, a->address[i], f, &o);
	return o;
}

static int enter(struct attack *a)
{
	/* The kernel's side is what is tried, whatever policy would take the child for. */
	struct ask run = { .command = "run",
			   .args = json_pack("{ss sb}", "workload", a->workload, "unmatched", 1) };
	json_t *end = NULL;
	int r = run.args ? ask(a->cli, &run, NULL, &end) : cli_oom(a->cli);

	json_decref(end);
	return r;
}

static _Noreturn void child(struct attack *a)
{
	struct outcome o = { .tried = 1 };
	struct order order;

	if (enter(a) < 0) {
		int status = cli_report(a->cli);

		(void)fflush(NULL);
		_exit(status);
	}
	while (send(a->channel, &o, sizeof(o), MSG_NOSIGNAL) == sizeof(o) &&
	       recv(a->channel, &order, sizeof(order), 0) == sizeof(order))
		o = try_all(a, &order);
	_exit(0);
}

static int start_child(struct attack *a)
{
	struct outcome ready;
	int pair[2], status = 0;

	(void)fflush(NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cli_fail(a->cli, "failed", "socketpair: %s", strerror(errno));
	a->pid = fork();
	a->channel = pair[a->pid == 0];
	(void)close(pair[a->pid != 0]);
	if (a->pid == 0)
		child(a);
	if (a->pid < 0)
		return cli_fail(a->cli, "failed", "fork: %s", strerror(errno));
	if (recv(a->channel, &ready, sizeof(ready), 0) == sizeof(ready))
		return 0;
	/* It has said why. */
	if (waitpid(a->pid, &status, 0) == a->pid && WIFEXITED(status))
		return WEXITSTATUS(status) ? WEXITSTATUS(status) : CLI_FAILED;
	return CLI_FAILED;
}

/* ---- which hook it was ---- */

static int on_count(void *ctx, json_t *row)
{
	const char *hook = json_string_value(json_object_get(row, "hook"));
	const char *reason = json_string_value(json_object_get(row, "reason"));
	char key[128];

	if (!hook || !reason || strcmp(reason, "allowed") == 0)
		return 0;
	(void)snprintf(key, sizeof(key), "%s %s", hook, reason);
	return json_object_set(ctx, key, json_object_get(row, "count")) == 0 ? 0 : -ENOMEM;
}

/* A new object "HOOK REASON": times; negative: noted. */
static int read_counts(struct attack *a, json_t **ret)
{
	struct ask dump = { .command = "map.dump",
			    .args = json_pack("{ss}", "name", "eg_count"),
			    .on_row = on_count };
	json_t *end = NULL;
	int r;

	*ret = dump.ctx = json_object();
	if (!dump.args || !dump.ctx) {
		json_decref(dump.args);
		return cli_oom(a->cli);
	}
	r = ask(a->cli, &dump, NULL, &end);
	json_decref(end);
	return r == -ENOMEM ? cli_oom(a->cli) : r;
}

static bool is_hook_of(const struct attempt *t, const char *key)
{
	size_t n = strcspn(key, " ");
	char word[64];

	while (n > 0 && (key[n - 1] == '4' || key[n - 1] == '6'))
		n--;
	(void)snprintf(word, sizeof(word), " %.*s ", (int)n, key);
	return strstr(t->hooks, word) != NULL;
}

/* The key that moved most among the attempt's hooks; NULL: none did. */
static const char *find_moved(const struct attempt *t, const json_t *before, json_t *after,
			      json_int_t *ret)
{
	const char *key, *found = NULL;
	json_t *v;

	*ret = 0;
	json_object_foreach(after, key, v)
	{
		json_int_t n =
			json_integer_value(v) - json_integer_value(json_object_get(before, key));

		if (n > *ret && is_hook_of(t, key)) {
			*ret = n;
			found = key;
		}
	}
	return found;
}

/* ---- judgement ---- */

/* Of a kernel without the protocol, a host without a route, a user that may not ping. */
static bool is_kernels_own(int error)
{
	static const int own[] = { ENETUNREACH,	    EHOSTUNREACH, EADDRNOTAVAIL,   EAFNOSUPPORT,
				   EPROTONOSUPPORT, EACCES,	  ESOCKTNOSUPPORT, ENOPROTOOPT };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (error == own[i])
			return true;
	return false;
}

static const char *judge(const struct outcome *o, const char *moved, json_int_t times)
{
	if (o->went)
		return moved && times >= (json_int_t)o->went ? "dropped" : "passed";
	if (!o->refused)
		return "redirected";
	if (moved)
		return "refused";
	return is_kernels_own(o->error) ? "impossible" : "passed";
}

static void count(struct attack *a, const struct outcome *o, const char *result)
{
	unsigned *to = strcmp(result, "passed") == 0	   ? &a->passed
		       : strcmp(result, "impossible") == 0 ? &a->impossible
							   : &a->stopped;

	++*to;
	a->tried += o->tried;
}

/* For people, below the table. */
static void print_summary(const struct attack *a)
{
	(void)printf("\n%u ways to get around egret tried, %u attempts in all: %u stopped",
		     a->stopped + a->passed + a->impossible, a->tried, a->stopped);
	if (a->impossible)
		(void)printf(", %u not possible on this host and so not tested", a->impossible);
	if (a->passed)
		(void)printf(", %u GOT AROUND it: see `passed` above, and `egret check`\n",
			     a->passed);
	else
		(void)printf(", none got around it\n");
}

static json_t *row_of(const struct attempt *t, enum attempt_family f, const struct outcome *o,
		      const char *moved, json_int_t times)
{
	const char *saw = o->error ? strerrorname_np(o->error) : o->went ? "success" : "connected";
	const char *result = judge(o, moved, times);
	size_t n = moved ? strcspn(moved, " ") : 0;
	json_t *row =
		json_pack("{ss ss sI ss ss}", "bypass", t->name, "family", attempt_family_name(f),
			  "tried", (json_int_t)o->tried, "saw", saw ? saw : "?", "result", result);

	if (row && moved) {
		(void)json_object_set_new(row, "hook", json_stringn(moved, n));
		(void)json_object_set_new(row, "reason", json_string(moved + n + 1));
	}
	if (row && strcmp(result, "redirected") == 0)
		(void)json_object_set_new(row, "hook",
					  json_string(f == ATTEMPT_IPV4 ? "connect4" : "connect6"));
	return row;
}

static int attack_one(struct attack *a, struct out_list *list, const struct order *order)
{
	const struct attempt *t = &attempts[order->attempt];
	json_t *before = NULL, *after = NULL, *row = NULL;
	const char *moved;
	struct outcome o;
	json_int_t times;
	int r = read_counts(a, &before);

	if (r == 0 && (send(a->channel, order, sizeof(*order), MSG_NOSIGNAL) != sizeof(*order) ||
		       recv(a->channel, &o, sizeof(o), 0) != sizeof(o)))
		r = cli_fail(a->cli, "failed", "the process that tries is gone");
	if (r == 0)
		r = read_counts(a, &after);
	if (r == 0 && o.tried) {
		moved = find_moved(t, before, after, &times);
		row = row_of(t, (enum attempt_family)order->family, &o, moved, times);
		count(a, &o, judge(&o, moved, times));
		r = row ? out_list_row(list, row) : cli_oom(a->cli);
	}
	json_decref(row);
	json_decref(before);
	json_decref(after);
	return r;
}

static int attack_all(struct attack *a)
{
	static const struct column columns[] = {
		{ "BYPASS", "bypass", FORM_TEXT }, { "FAMILY", "family", FORM_TEXT },
		{ "TRIED", "tried", FORM_COUNT },  { "SAW", "saw", FORM_TEXT },
		{ "RESULT", "result", FORM_TEXT }, { "HOOK", "hook", FORM_TEXT },
		{ "REASON", "reason", FORM_TEXT },
	};
	_cleanup_(out_list_done) struct out_list list = { 0 };
	int r = out_list_begin(a->cli, &list, columns, ARRAY_SIZE(columns), false);

	for (uint32_t i = 0; r == 0 && i < n_attempts; i++)
		for (uint32_t f = 0; r == 0 && f < ATTEMPT_FAMILIES; f++)
			if (attempts[i].families & 1u << f)
				r = attack_one(a, &list, &(struct order){ i, f });
	if (r == 0)
		r = out_list_end(&list);
	if (r == 0 && a->cli->format == CLI_PLAIN)
		print_summary(a);
	return r;
}

int check_attack(struct cli *cli, const char *workload)
{
	struct attack *a;
	int r;

	if (geteuid() != 0)
		return cli_fail(cli, "not_allowed", "--attack: run it as root");
	a = calloc(1, sizeof(*a));
	if (!a)
		return cli_oom(cli);
	a->cli = cli;
	a->channel = -EBADF;
	r = find_targets(a, workload);
	if (r == 0)
		r = start_child(a);
	if (r == 0) {
		r = attack_all(a);
		(void)close(a->channel);
		(void)waitpid(a->pid, NULL, 0);
		r = r < 0 ? r : a->passed != 0;
	} else if (a->channel >= 0) {
		(void)close(a->channel);
	}
	free(a);
	return r;
}

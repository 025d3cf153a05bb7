/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder as a process of its own: slabs drained, killed and started again, readers of every
 * kind, a disk that fills. */
#include "../vault/rpc_peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "audit/recorder.h"
#include "audit/slab.h"
#include "audit/store.h"
#include "base/json.h"
#include "base/log.h"
#include "egret/reasons.h"
#include "event/channel.h"

#define SLOTS 64u

struct fixture {
	char dir[64];
	int dir_fd;
	pid_t pid;
	int ch; /* the monitor's end */
	int slab_fd, wake_fd;
	struct slab *slab; /* the worker's half, in this process */
	struct rpc_msg *msg;
};

static void start(struct fixture *f)
{
	struct eg_slab q = { .worker = 0, .slots = SLOTS };
	int ends[2], fds[2] = { f->slab_fd, f->wake_fd };

	assert_int_equal(channel_pair(ends), 0);
	f->pid = fork();
	if (f->pid == 0) {
		struct eg_start s = { .role = EG_RECORDER };
		struct recorder *r = NULL;
		struct diag d = { 0 };
		int dir_fd = dup(f->dir_fd), status;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(ends[0]);
		log_setup("recorder", LOG_ERROR, false);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		if (recorder_new(ends[1], &s, SLICE("{\"commit_ms\":1}"), &dir_fd, 1, &d, &r) < 0)
			_exit(9);
		status = recorder_run(r);
		(void)recorder_free(r);
		_exit(status);
	}
	(void)close(ends[1]);
	f->ch = ends[0];
	assert_int_equal(rpc_await(f->ch, EG_MSG_ready, f->msg), 1);
	assert_int_equal(rpc_send(f->ch, EG_MSG_slab, 0, &q, sizeof(q), NULL, 0, fds, 2), 0);
}

static int end(struct fixture *f, int signo)
{
	int status = 0;

	if (f->pid <= 0)
		return 0;
	if (signo)
		(void)kill(f->pid, signo);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	(void)close(f->ch);
	return status;
}

/* Asks it to stop and waits: everything is stored then. */
static void stop(struct fixture *f)
{
	struct eg_stop q = { .deadline_ms = 5000 };

	assert_int_equal(rpc_send(f->ch, EG_MSG_stop, 0, &q, sizeof(q), NULL, 0, NULL, 0), 0);
	assert_int_equal(end(f, 0), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "%s", "/tmp/egret-recorder-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->msg = calloc(1, sizeof(*f->msg));
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->slab_fd = memfd_create("slab", MFD_CLOEXEC);
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(slab_format(f->slab_fd, SLOTS), 0);
	assert_int_equal(slab_new(dup(f->slab_fd), dup(f->wake_fd), &f->slab), 0);
	slab_attach(f->slab);
	start(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	DIR *dir;
	struct dirent *e;

	(void)end(f, SIGKILL);
	(void)slab_free(f->slab);
	dir = fdopendir(f->dir_fd);
	rewinddir(dir);
	while ((e = readdir(dir)))
		(void)unlinkat(dirfd(dir), e->d_name, 0);
	(void)closedir(dir);
	(void)rmdir(f->dir);
	(void)close(f->slab_fd);
	(void)close(f->wake_fd);
	free(f->msg);
	free(f);
	return 0;
}

/* Waits until the worker's wish is granted: slots come back only when records are stored. */
static struct eg_record *open_slot(struct fixture *f)
{
	struct eg_record *r;

	for (int i = 0; !(r = slab_open(f->slab)); i++) {
		assert_true(i < 100000000);
		(void)sched_yield();
	}
	return r;
}

static void put(struct fixture *f, uint32_t from, uint32_t to)
{
	for (uint32_t n = from; n < to; n++) {
		struct eg_record *r = open_slot(f);

		memcpy(r->request_id, &n, sizeof(n));
		r->request_id[15] = 1;
		r->time_us = 1000 + n;
		(void)snprintf(r->workload, sizeof(r->workload), "%s", n % 2 ? "odd" : "even");
		slab_commit(f->slab, r);
	}
}

/* ---- a reader ---- */

static int ask(struct fixture *f, const char *request)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(
		rpc_send(f->ch, EG_MSG_query, 0, request, strlen(request), NULL, 0, &ends[1], 1),
		0);
	(void)close(ends[1]);
	return ends[0];
}

/* Reads up to `lines` newlines (0: to the end); returns the text. */
static char *read_lines(int fd, size_t lines, size_t *ret_lines)
{
	size_t size = 1 << 20, n = 0, seen = 0;
	char *text = malloc(size);

	while (lines == 0 || seen < lines) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t r;

		assert_int_equal(poll(&p, 1, 20000), 1);
		if (size - n < 65536) {
			size *= 2;
			text = realloc(text, size);
		}
		r = read(fd, text + n, lines ? 1 : size - n - 1);
		if (r <= 0)
			break;
		for (ssize_t i = 0; i < r; i++)
			seen += text[n + (size_t)i] == '\n';
		n += (size_t)r;
	}
	text[n] = '\0';
	*ret_lines = seen;
	return text;
}

static size_t count(struct fixture *f, const char *request)
{
	int fd = ask(f, request);
	size_t lines;
	char *text = read_lines(fd, 0, &lines);

	assert_non_null(strstr(text, "{\"end\":{}}\n"));
	free(text);
	(void)close(fd);
	return lines - 1;
}

#define ALL "{\"cmd\":\"audit.list\"}"

static void every_record_is_stored_by_the_stop(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 5000);
	stop(f);
	start(f);
	assert_int_equal(count(f, ALL), 5000);
}

static void records_are_stored_when_the_monitor_goes(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 60);
	assert_int_equal(shutdown(f->ch, SHUT_RDWR), 0);
	assert_int_equal(end(f, 0), 0);
	start(f);
	assert_int_equal(count(f, ALL), 60);
}

/* Killed at any point, ten times: what was committed is there, and once. */
static void killed_recorder_loses_and_doubles_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t n = 0;

	srandom(11);
	for (int round = 0; round < 10; round++) {
		uint32_t more = 50 + (uint32_t)random() % 1500;

		put(f, n, n + more);
		n += more;
		(void)end(f, SIGKILL);
		start(f);
	}
	stop(f);
	start(f);
	assert_int_equal(count(f, ALL), n);
}

static void orphans_are_closed_and_stored(void **state)
{
	struct fixture *f = *state;
	struct eg_slab q = { .worker = 0 };
	struct eg_record *r = open_slot(f);
	size_t lines;
	char *text;
	int fd;

	memset(r->request_id, 7, sizeof(r->request_id));
	/* Locks are by process: this one lets go, as if it had died. */
	assert_int_equal(fcntl(f->slab_fd, F_SETLK,
			       &(struct flock){ .l_type = F_UNLCK, .l_whence = SEEK_SET }),
			 0);
	assert_int_equal(rpc_send(f->ch, EG_MSG_slab_orphan, 0, &q, sizeof(q), NULL, 0, NULL, 0),
			 0);
	stop(f);
	start(f);
	fd = ask(f, ALL);
	text = read_lines(fd, 0, &lines);
	assert_int_equal(lines, 2);
	assert_non_null(strstr(text, "\"end\":\"worker_died\""));
	free(text);
	(void)close(fd);
}

static void watch_gets_new_records_while_others_list(void **state)
{
	struct fixture *f = *state;
	int watch = ask(f, "{\"cmd\":\"audit.tail\",\"args\":{\"workload\":\"odd\"}}");
	size_t lines;
	char *text;

	for (uint32_t round = 0; round < 5; round++) {
		put(f, round * 10, round * 10 + 10);
		text = read_lines(watch, 5, &lines);
		assert_int_equal(lines, 5);
		assert_null(strstr(text, "even"));
		free(text);
		assert_int_equal(count(f, ALL), round * 10 + 10);
	}
	(void)close(watch);
}

static void events_are_stored_and_watched(void **state)
{
	struct fixture *f = *state;
	struct eg_note n = { .time_us = 5, .reason = EG_REASON_tls_untrusted };
	int watch = ask(f, "{\"cmd\":\"event.watch\",\"args\":{\"reason\":\"tls_untrusted\"}}");
	size_t lines;
	char *text;

	memset(n.text, 'x', sizeof(n.text)); /* unterminated */
	assert_int_equal(rpc_send(f->ch, EG_MSG_event, 0, &n, sizeof(n), NULL, 0, NULL, 0), 0);
	text = read_lines(watch, 1, &lines);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(text, "tls_untrusted"));
	free(text);
	(void)close(watch);
}

static void bad_requests_get_an_error_line(void **state)
{
	struct fixture *f = *state;
	int fd = ask(f, "{\"cmd\":\"audit.list\",\"args\":{\"x\":1}}");
	size_t lines;
	char *text = read_lines(fd, 0, &lines);

	assert_int_equal(lines, 1);
	assert_non_null(strstr(text, "{\"error\":{\"reason\":\"bad_request\""));
	free(text);
	(void)close(fd);
}

/* Readers that never read: they are bounded, and neither records nor other readers wait for them.
 */
static void readers_who_do_not_read_hold_nothing_up(void **state)
{
	struct fixture *f = *state;
	int idle[100];

	put(f, 0, 3000);
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		idle[i] = ask(f, ALL);
	put(f, 3000, 6000);
	assert_true(count(f, ALL) >= 5900);
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		(void)close(idle[i]);
	put(f, 6000, 6100);
	stop(f);
}

static void too_many_readers_are_told(void **state)
{
	struct fixture *f = *state;
	int idle[140];
	size_t lines, busy = 0;

	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		idle[i] = ask(f, "{\"cmd\":\"audit.tail\"}");
	for (size_t i = 128; i < ARRAY_SIZE(idle); i++) {
		char *text = read_lines(idle[i], 1, &lines);

		busy += strstr(text, "\"busy\"") != NULL;
		free(text);
	}
	assert_int_equal(busy, 12);
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		(void)close(idle[i]);
	/* Their places are free again. */
	assert_int_equal(count(f, ALL), 0);
}

static void a_talking_reader_is_dropped(void **state)
{
	struct fixture *f = *state;
	int fd = ask(f, "{\"cmd\":\"audit.tail\"}");
	size_t lines;

	assert_int_equal(write(fd, "x", 1), 1);
	free(read_lines(fd, 0, &lines));
	assert_int_equal(lines, 0);
	(void)close(fd);
}

static void half_closed_reader_is_served(void **state)
{
	struct fixture *f = *state;
	int fd = ask(f, "{\"cmd\":\"audit.tail\"}");
	size_t lines;

	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	put(f, 0, 3);
	free(read_lines(fd, 3, &lines));
	assert_int_equal(lines, 3);
	(void)close(fd);
}

/* Whatever a monitor could get wrong: it goes on serving. */
static void malformed_messages_are_survived(void **state)
{
	struct fixture *f = *state;
	char junk[64];
	int fds[3] = { f->slab_fd, f->wake_fd, f->dir_fd };

	memset(junk, 0xff, sizeof(junk));
	for (uint16_t t = EG_MSG_none + 1; t < EG_MSG_COUNT; t++) {
		if (t == EG_MSG_stop)
			continue;
		for (unsigned n_fds = 0; n_fds <= 3; n_fds++) {
			int r = rpc_send(f->ch, t, 0, junk, n_fds * 16, NULL, 0, fds, n_fds);

			if (r < 0)
				goto ended;
		}
	}
ended:
	/* Types that the monitor may not send end the channel: the recorder stores and leaves. */
	assert_int_equal(WEXITSTATUS(end(f, 0)), 1);
	start(f);
	put(f, 0, 1);
	stop(f);
}

/* Again, on a file system of its own. */
static void start_on_tmpfs(struct fixture *f, const char *options)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		skip(); /* needs a mount of its own */
	stop(f);
	assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", f->dir, "tmpfs", 0, options), 0);
	(void)close(f->dir_fd);
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	start(f);
}

static void full_disk_is_told_and_overcome(void **state)
{
	struct fixture *f = *state;
	struct eg_record *r = NULL;
	uint32_t n = 0;

	start_on_tmpfs(f, "size=1m");
	/* Until it says that it cannot write, the slab fills up and nothing is served any more. */
	for (;;) {
		struct pollfd p = { .fd = f->ch, .events = POLLIN };

		r = r ? r : slab_open(f->slab);
		if (r) {
			memcpy(r->request_id, &n, sizeof(n));
			r->request_id[15] = 1;
			slab_commit(f->slab, r);
			r = NULL;
			n++;
		} else if (poll(&p, 1, 100) == 1) {
			break;
		}
		assert_true(n < 100000);
	}
	assert_int_equal(rpc_await(f->ch, EG_MSG_note, f->msg), 1);
	assert_non_null(strstr(((struct eg_note *)(void *)f->msg->body)->text, "free space"));
	while ((r = slab_open(f->slab))) {
		memcpy(r->request_id, &n, sizeof(n));
		r->request_id[15] = 1;
		slab_commit(f->slab, r);
		n++;
	}
	assert_null(slab_open(f->slab));
	assert_int_equal(mount("tmpfs", f->dir, "tmpfs", MS_REMOUNT, "size=64m"), 0);
	assert_int_equal(rpc_await(f->ch, EG_MSG_note, f->msg), 1);
	stop(f);
	start(f);
	assert_int_equal(count(f, ALL), n);
	stop(f);
	(void)close(f->dir_fd);
	assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Takes every inode of the file system, or gives them back. Blocks are counted by CPU, inexactly.
 */
static void take_room(const struct fixture *f, bool take)
{
	char name[32];
	int fd = 0;

	for (unsigned i = 0; i < 64 && fd >= 0; i++) {
		(void)snprintf(name, sizeof(name), "ballast-%u", i);
		fd = take ? openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)
			  : unlinkat(f->dir_fd, name, 0);
		if (take && fd >= 0)
			(void)close(fd);
	}
	assert_true(fd < 0);
}

static void it_starts_on_a_full_disk(void **state)
{
	static const bool damaged[] = { false, true };
	struct fixture *f = *state;
	int fd;

	start_on_tmpfs(f, "nr_inodes=16");
	put(f, 0, 10);
	stop(f);
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		if (damaged[i]) {
			fd = openat(f->dir_fd, "audit.db", O_WRONLY | O_CLOEXEC);
			assert_int_equal(pwrite(fd, "no database", 11, 0), 11);
			(void)close(fd);
		}
		take_room(f, true);
		start(f);
		assert_int_equal(rpc_await(f->ch, EG_MSG_note, f->msg), 1);
		if (damaged[i]) {
			assert_non_null(strstr(((struct eg_note *)(void *)f->msg->body)->text,
					       "set aside"));
			assert_int_equal(rpc_await(f->ch, EG_MSG_note, f->msg), 1);
		}
		assert_non_null(
			strstr(((struct eg_note *)(void *)f->msg->body)->text, "free space"));
		put(f, 10, 20);
		take_room(f, false);
		assert_int_equal(rpc_await(f->ch, EG_MSG_note, f->msg), 1);
		assert_int_equal(((struct eg_note *)(void *)f->msg->body)->reason,
				 EG_REASON_allowed);
		stop(f);
		start(f);
		assert_int_equal(count(f, ALL), damaged[i] ? 10 : 20);
		stop(f);
	}
	(void)close(f->dir_fd);
	assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void damaged_database_at_start_is_replaced(void **state)
{
	struct fixture *f = *state;
	char junk[8192];
	int fd;

	put(f, 0, 20);
	stop(f);
	memset(junk, 'j', sizeof(junk));
	fd = openat(f->dir_fd, "audit.db", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
	(void)close(fd);
	start(f);
	assert_int_equal(rpc_await(f->ch, EG_MSG_note, f->msg), 1);
	assert_non_null(strstr(((struct eg_note *)(void *)f->msg->body)->text, "set aside"));
	/* The new one works: what was told is over. */
	assert_int_equal(rpc_await(f->ch, EG_MSG_note, f->msg), 1);
	assert_int_equal(((struct eg_note *)(void *)f->msg->body)->reason, EG_REASON_allowed);
	put(f, 20, 30);
	stop(f);
	start(f);
	assert_int_equal(count(f, ALL), 10);
	assert_int_equal(count(f, "{\"cmd\":\"event.list\"}"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(every_record_is_stored_by_the_stop),
		T(records_are_stored_when_the_monitor_goes),
		T(killed_recorder_loses_and_doubles_nothing),
		T(orphans_are_closed_and_stored),
		T(watch_gets_new_records_while_others_list),
		T(events_are_stored_and_watched),
		T(bad_requests_get_an_error_line),
		T(readers_who_do_not_read_hold_nothing_up),
		T(too_many_readers_are_told),
		T(a_talking_reader_is_dropped),
		T(half_closed_reader_is_served),
		T(malformed_messages_are_survived),
		T(it_starts_on_a_full_disk),
		T(damaged_database_at_start_is_replaced),
		T(full_disk_is_told_and_overcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

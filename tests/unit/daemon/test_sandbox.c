/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each role may not do, tried in a child that has locked itself up as the real one does: the
 * child does one thing and says by its end how it went. Runs as root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "daemon/sandbox.h"
#include "egret/rpc.h"

#define UID	   54321u
#define GID	   54322u
#define DONE	   0 /* the deed was done */
#define REFUSED	   10 /* with an error, the process lives */
#define NO_SANDBOX 99

static char root[] = "/tmp/egret-test-sandbox-XXXXXX";
static const uint32_t all[] = { EG_VAULT, EG_RECORDER, EG_WORKER };

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(root) && chmod(root, 0755) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(root);
}

/* Runs the deed in a sandbox; its end as waitpid() tells it. `closed`: system calls too. */
static int end_of(uint32_t role, bool closed, int (*deed)(void))
{
	struct sandbox_opts o = {
		.role = role, .uid = UID, .gid = GID, .root = root, .root_fd = -1
	};
	struct diag d = { 0 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		(void)dup2(null, STDERR_FILENO);
		if (sandbox_confine(&o, &d) < 0 || (closed && sandbox_close(role, &d) < 0))
			_exit(NO_SANDBOX);
		_exit(deed());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SANDBOX)
		fail_msg("the sandbox does not close here");
	return status;
}

static void killed(uint32_t role, const char *name, int (*deed)(void))
{
	int status = end_of(role, true, deed);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("role %u, %s: ended with %x instead of SIGSYS", role, name,
			 (unsigned)status);
}

static void done(uint32_t role, bool closed, const char *name, int (*deed)(void))
{
	int status = end_of(role, closed, deed);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != DONE)
		fail_msg("role %u, %s: ended with %x instead of well", role, name,
			 (unsigned)status);
}

static void refused(uint32_t role, const char *name, int (*deed)(void))
{
	int status = end_of(role, false, deed);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != REFUSED)
		fail_msg("role %u, %s: ended with %x instead of an error", role, name,
			 (unsigned)status);
}

static int result(long r)
{
	return r < 0 ? REFUSED : DONE;
}

/* ---- deeds ---- */

static int do_open(void)
{
	return result(open("/", O_RDONLY | O_DIRECTORY));
}

static int do_create(void)
{
	return result(open("/x", O_WRONLY | O_CREAT, 0600));
}

static int do_exec(void)
{
	char *argv[] = { NULL }, *env[] = { NULL };

	return result(execve("/bin/sh", argv, env));
}

static int do_fork(void)
{
	return result(fork());
}

static int do_thread(void)
{
	return result(syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0));
}

static int do_ptrace(void)
{
	return result(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int do_kill(void)
{
	return result(kill(1, 0));
}

static int do_read_memory(void)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)(uintptr_t)do_open, 1 };

	return result(process_vm_readv(getppid(), &local, 1, &remote, 1, 0));
}

static int do_socket(int family, int type, int protocol)
{
	return result(socket(family, type, protocol));
}

static int do_tcp(void)
{
	return do_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int do_udp6(void)
{
	return do_socket(AF_INET6, SOCK_DGRAM, 0);
}

static int do_unix(void)
{
	return do_socket(AF_UNIX, SOCK_STREAM, 0);
}

static int do_netlink(void)
{
	return do_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int do_raw(void)
{
	return do_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int do_packet(void)
{
	return do_socket(AF_PACKET, SOCK_RAW, 0);
}

static int do_bpf_load(void)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_CGROUP_SKB };

	return result(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}

static int do_bpf_update(void)
{
	union bpf_attr attr = { 0 };

	return result(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)));
}

static int do_map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? REFUSED
		       : DONE;
}

static int do_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int do_uring(void)
{
	return result(syscall(SYS_io_uring_setup, 4, NULL));
}

static int do_truncate(void)
{
	return result(ftruncate(STDERR_FILENO, 0));
}

static int do_setuid(void)
{
	return result(setuid(0));
}

static int do_mount(void)
{
	return result(mount("none", "/", "tmpfs", 0, NULL));
}

static int do_chroot_out(void)
{
	return result(chroot(".."));
}

static int do_unshare(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int do_mlock(void)
{
	void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? REFUSED : result(mlock(p, 65536));
}

static int do_abort(void)
{
	abort();
}

/* ---- how it stands inside ---- */

static int look_at_self(void)
{
	struct rlimit core;
	uid_t r, e, s;

	if (getresuid(&r, &e, &s) < 0 || r != UID || e != UID || s != UID)
		return 1;
	if (getgroups(0, NULL) != 0 || getegid() != GID)
		return 2;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 3;
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
		return 4;
	for (int cap = 0; cap <= 40; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return 5;
	return DONE;
}

static int look_around(void)
{
	struct stat st;

	if (stat("/etc", &st) == 0 || stat("/proc", &st) == 0 || stat("/..", &st) < 0)
		return 1;
	/* Its root is the empty directory, whatever is tried to leave it. */
	return stat("/../../../../etc/passwd", &st) == 0 ? 2 : DONE;
}

static int look_for_capabilities(void)
{
	unsigned header[2] = { 0x20080522, 0 }, data[6];

	if (syscall(SYS_capget, header, data) < 0)
		return 1;
	for (size_t i = 0; i < 6; i++)
		if (data[i])
			return 2;
	return DONE;
}

/* lo is down in a network namespace of one's own. */
static int look_for_network(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = 1,
				  .sin_addr = { 0x0100007f } };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == ENETUNREACH ? DONE
											   : 1;
}

/* ---- tests ---- */

#define FORBIDDEN_TO_ALL(X)                                                                        \
	X(do_exec)                                                                                 \
	X(do_fork)                                                                                 \
	X(do_thread)                                                                               \
	X(do_ptrace)                                                                               \
	X(do_kill)                                                                                 \
	X(do_read_memory)                                                                          \
	X(do_unix)                                                                                 \
	X(do_netlink)                                                                              \
	X(do_raw)                                                                                  \
	X(do_packet)                                                                               \
	X(do_bpf_load)                                                                             \
	X(do_bpf_update)                                                                           \
	X(do_map_code)                                                                             \
	X(do_make_code)                                                                            \
	X(do_uring)                                                                                \
	X(do_setuid)                                                                               \
	X(do_mount)                                                                                \
	X(do_chroot_out)                                                                           \
	X(do_unshare)

static void nobody_may(void **state)
{
	static const struct {
		const char *name;
		int (*deed)(void);
	} deeds[] = {
#define X(deed) { #deed, deed },
		FORBIDDEN_TO_ALL(X)
#undef X
	};

	(void)state;
	for (size_t r = 0; r < ARRAY_SIZE(all); r++)
		for (size_t i = 0; i < ARRAY_SIZE(deeds); i++)
			killed(all[r], deeds[i].name, deeds[i].deed);
}

static void files_are_the_recorders_alone(void **state)
{
	(void)state;
	killed(EG_WORKER, "open", do_open);
	killed(EG_VAULT, "open", do_open);
	killed(EG_WORKER, "create", do_create);
	killed(EG_VAULT, "create", do_create);
	killed(EG_WORKER, "truncate", do_truncate);
	done(EG_RECORDER, true, "open", do_open);
}

static void the_network_is_the_workers_alone(void **state)
{
	(void)state;
	done(EG_WORKER, true, "tcp", do_tcp);
	done(EG_WORKER, true, "udp6", do_udp6);
	killed(EG_VAULT, "tcp", do_tcp);
	killed(EG_VAULT, "udp6", do_udp6);
	killed(EG_RECORDER, "tcp", do_tcp);
	killed(EG_RECORDER, "udp6", do_udp6);
	done(EG_VAULT, false, "no network", look_for_network);
	done(EG_RECORDER, false, "no network", look_for_network);
}

/* The second wall: what would hold even if system calls were not filtered. */
static void without_the_filter_there_is_still_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		done(all[i], false, "self", look_at_self);
		done(all[i], false, "around", look_around);
		done(all[i], false, "capabilities", look_for_capabilities);
		refused(all[i], "setuid", do_setuid);
		refused(all[i], "mount", do_mount);
		refused(all[i], "chroot", do_chroot_out);
		refused(all[i], "ptrace", do_ptrace);
		refused(all[i], "memory of its parent", do_read_memory);
		refused(all[i], "create in its root", do_create);
		refused(all[i], "packet socket", do_packet);
		refused(all[i], "exec", do_exec);
	}
}

static void keys_can_be_locked(void **state)
{
	(void)state;
	done(EG_VAULT, true, "mlock", do_mlock);
	done(EG_WORKER, true, "mlock", do_mlock);
}

static void abort_still_aborts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int status = end_of(all[i], true, do_abort);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

/* With the handler gone, or the signal blocked, the kernel kills all the same. */
static int blocked_open(void)
{
	sigset_t set;

	(void)sigfillset(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return do_open();
}

static void a_blocked_signal_is_no_way_out(void **state)
{
	(void)state;
	killed(EG_WORKER, "open with SIGSYS blocked", blocked_open);
}

static void the_violation_is_named(void **state)
{
	struct sandbox_opts o = { .role = EG_WORKER, .uid = UID, .gid = GID, .root = root };
	char text[200] = "";
	struct diag d = { 0 };
	int fds[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		if (sandbox_confine(&o, &d) < 0 || sandbox_close(EG_WORKER, &d) < 0)
			_exit(NO_SANDBOX);
		_exit(do_kill());
	}
	(void)close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (size_t n = 0; n + 1 < sizeof(text);) {
		ssize_t got = read(fds[0], text + n, sizeof(text) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	assert_non_null(strstr(text, "system call kill\n"));
	(void)close(fds[0]);
}

static void root_is_no_role(void **state)
{
	struct sandbox_opts o = { .role = EG_VAULT, .uid = 0, .gid = GID, .root = root };
	struct diag d = { 0 };

	(void)state;
	assert_int_equal(sandbox_confine(&o, &d), -EINVAL);
	o.uid = UID;
	o.gid = 0;
	assert_int_equal(sandbox_confine(&o, &d), -EINVAL);
	assert_int_equal(getuid(), 0);
}

/* The child's parent dies: so does the child, at once. */
static void the_parents_death_is_the_childs(void **state)
{
	struct sandbox_opts o = { .role = EG_VAULT, .uid = UID, .gid = GID, .root = root };
	struct pollfd p;
	struct diag d = { 0 };
	int fds[2], ready[2], status;
	pid_t parent;
	char byte;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(ready), 0);
	parent = fork();
	if (parent == 0) {
		if (fork() == 0) {
			if (sandbox_confine(&o, &d) < 0)
				_exit(NO_SANDBOX);
			(void)!write(ready[1], "x", 1);
			for (;;)
				(void)pause();
		}
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	/* Both ends of the pipe's writing side were theirs. */
	p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	(void)close(fds[0]);
	(void)close(ready[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_may),
		cmocka_unit_test(files_are_the_recorders_alone),
		cmocka_unit_test(the_network_is_the_workers_alone),
		cmocka_unit_test(without_the_filter_there_is_still_nothing),
		cmocka_unit_test(keys_can_be_locked),
		cmocka_unit_test(abort_still_aborts),
		cmocka_unit_test(a_blocked_signal_is_no_way_out),
		cmocka_unit_test(the_violation_is_named),
		cmocka_unit_test(root_is_no_role),
		cmocka_unit_test(the_parents_death_is_the_childs),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

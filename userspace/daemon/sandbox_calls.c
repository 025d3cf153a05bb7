/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls each role keeps, through libseccomp. What is not listed raises SIGSYS, whose
 * handler names the call and dies of a second one; with the signal blocked or the handler gone the
 * kernel kills at once. Files cannot be opened by workers and vault, nobody can create a process,
 * and only workers can create a socket.
 */
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/slice.h"
#include "daemon/sandbox.h"
#include "egret/rpc.h"

#define EVERYONE       (EG_VAULT | EG_RECORDER | EG_WORKER)
#define CALLS_MAX      512
#define NAME_MAX_BYTES 32

static const struct {
	int call;
	unsigned roles;
} table[] = {
	/* memory, time, randomness, ending */
	{ SCMP_SYS(brk), EVERYONE },
	{ SCMP_SYS(munmap), EVERYONE },
	{ SCMP_SYS(mremap), EVERYONE },
	{ SCMP_SYS(madvise), EVERYONE },
	{ SCMP_SYS(mlock), EVERYONE },
	{ SCMP_SYS(munlock), EVERYONE },
	{ SCMP_SYS(clock_gettime), EVERYONE },
	{ SCMP_SYS(clock_nanosleep), EVERYONE },
	{ SCMP_SYS(gettimeofday), EVERYONE },
	{ SCMP_SYS(getrandom), EVERYONE },
	{ SCMP_SYS(sysinfo), EVERYONE }, /* glibc's qsort() */
	{ SCMP_SYS(getpid), EVERYONE },
	{ SCMP_SYS(gettid), EVERYONE },
	{ SCMP_SYS(futex), EVERYONE },
	{ SCMP_SYS(sched_yield), EVERYONE },
	{ SCMP_SYS(restart_syscall), EVERYONE },
	{ SCMP_SYS(rt_sigreturn), EVERYONE },
	{ SCMP_SYS(rt_sigprocmask), EVERYONE },
	{ SCMP_SYS(exit), EVERYONE },
	{ SCMP_SYS(exit_group), EVERYONE },
	/* the loop, descriptors that are there, messages */
	{ SCMP_SYS(read), EVERYONE },
	{ SCMP_SYS(readv), EVERYONE },
	{ SCMP_SYS(pread64), EVERYONE },
	{ SCMP_SYS(write), EVERYONE },
	{ SCMP_SYS(writev), EVERYONE },
	{ SCMP_SYS(close), EVERYONE },
	{ SCMP_SYS(fstat), EVERYONE },
	{ SCMP_SYS(newfstatat), EVERYONE }, /* glibc's fstat(); paths lead nowhere */
	{ SCMP_SYS(lseek), EVERYONE },
	{ SCMP_SYS(poll), EVERYONE },
	{ SCMP_SYS(ppoll), EVERYONE },
	{ SCMP_SYS(epoll_ctl), EVERYONE },
	{ SCMP_SYS(epoll_wait), EVERYONE },
	{ SCMP_SYS(epoll_pwait), EVERYONE },
	{ SCMP_SYS(epoll_create1), EVERYONE },
	{ SCMP_SYS(eventfd2), EVERYONE },
	{ SCMP_SYS(timerfd_create), EVERYONE },
	{ SCMP_SYS(timerfd_settime), EVERYONE },
	{ SCMP_SYS(sendmsg), EVERYONE },
	{ SCMP_SYS(recvmsg), EVERYONE },
	{ SCMP_SYS(sendto), EVERYONE },
	{ SCMP_SYS(recvfrom), EVERYONE },
	{ SCMP_SYS(shutdown), EVERYONE },
	{ SCMP_SYS(getsockopt), EVERYONE },
	/* the vault: files that came as descriptors */
	{ SCMP_SYS(ftruncate), EG_VAULT | EG_RECORDER },
	{ SCMP_SYS(pwrite64), EG_VAULT | EG_RECORDER },
	{ SCMP_SYS(fsync), EG_VAULT | EG_RECORDER },
	{ SCMP_SYS(fdatasync), EG_VAULT | EG_RECORDER },
	{ SCMP_SYS(fchmod), EG_VAULT | EG_RECORDER },
	/* SQLite, in a directory that is all there is */
	{ SCMP_SYS(open), EG_RECORDER },
	{ SCMP_SYS(openat), EG_RECORDER },
	{ SCMP_SYS(access), EG_RECORDER },
	{ SCMP_SYS(faccessat), EG_RECORDER },
	{ SCMP_SYS(faccessat2), EG_RECORDER },
	{ SCMP_SYS(stat), EG_RECORDER },
	{ SCMP_SYS(lstat), EG_RECORDER },
	{ SCMP_SYS(statx), EG_RECORDER },
	{ SCMP_SYS(statfs), EG_RECORDER },
	{ SCMP_SYS(fstatfs), EG_RECORDER },
	{ SCMP_SYS(unlink), EG_RECORDER },
	{ SCMP_SYS(unlinkat), EG_RECORDER },
	{ SCMP_SYS(rename), EG_RECORDER },
	{ SCMP_SYS(fallocate), EG_RECORDER },
	{ SCMP_SYS(fchown), EG_RECORDER },
	{ SCMP_SYS(geteuid), EG_RECORDER },
	{ SCMP_SYS(getuid), EG_RECORDER },
	{ SCMP_SYS(getcwd), EG_RECORDER },
	{ SCMP_SYS(readlink), EG_RECORDER },
	{ SCMP_SYS(readlinkat), EG_RECORDER },
	{ SCMP_SYS(utimensat), EG_RECORDER },
	{ SCMP_SYS(getdents64), EG_RECORDER },
	{ SCMP_SYS(mkdir), EG_RECORDER },
	{ SCMP_SYS(uname), EG_RECORDER },
	{ SCMP_SYS(sched_getaffinity), EG_RECORDER },
	/* a worker: connections, names, splicing, flow records */
	{ SCMP_SYS(accept4), EG_WORKER },
	{ SCMP_SYS(accept), EG_WORKER },
	{ SCMP_SYS(connect), EG_WORKER },
	{ SCMP_SYS(bind), EG_WORKER },
	{ SCMP_SYS(getsockname), EG_WORKER },
	{ SCMP_SYS(getpeername), EG_WORKER },
	{ SCMP_SYS(setsockopt), EG_WORKER },
	{ SCMP_SYS(sendmmsg), EG_WORKER },
	{ SCMP_SYS(recvmmsg), EG_WORKER },
	{ SCMP_SYS(sendfile), EG_WORKER },
	{ SCMP_SYS(splice), EG_WORKER },
	{ SCMP_SYS(pipe2), EG_WORKER },
#ifdef __SANITIZE_ADDRESS__
	/* To say what it found; not where, which takes files. */
	{ SCMP_SYS(ioctl), EVERYONE },
	{ SCMP_SYS(prctl), EVERYONE },
	{ SCMP_SYS(sigaltstack), EVERYONE },
	{ SCMP_SYS(rt_sigaction), EVERYONE },
#endif
};

/* Argument n equals a value / equals it in the bits of a mask. */
static struct scmp_arg_cmp is(unsigned n, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){ .arg = n, .op = SCMP_CMP_EQ, .datum_a = value };
}

static struct scmp_arg_cmp is_masked(unsigned n, scmp_datum_t mask, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){
		.arg = n, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value
	};
}

static int allow(scmp_filter_ctx f, int call)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 0);
}

/* fcntl: flags, duplicates and POSIX locks; nothing about signals, leases or seals. */
static int allow_fcntl(scmp_filter_ctx f)
{
	static const int commands[] = { F_GETFD,  F_SETFD,	   F_GETFL,	F_SETFL,
					F_DUPFD,  F_DUPFD_CLOEXEC, F_GETLK,	F_SETLK,
					F_SETLKW, F_SETPIPE_SZ,	   F_GETPIPE_SZ };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(commands); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				     is(1, (scmp_datum_t)commands[i]));
	return r;
}

/* Memory that is never executable: neither mapped so nor made so. */
static int allow_memory(scmp_filter_ctx f)
{
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, is_masked(2, PROT_EXEC, 0));

	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     is_masked(2, PROT_EXEC, 0));
	return r;
}

/* c-ares asks over UDP and TCP; upstream sockets come stamped from the monitor. */
static int allow_sockets(scmp_filter_ctx f)
{
	static const int families[] = { AF_INET, AF_INET6 };
	static const int types[] = { SOCK_DGRAM, SOCK_STREAM };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		for (size_t k = 0; r == 0 && k < ARRAY_SIZE(types); k++)
			r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
					     is(0, (scmp_datum_t)families[i]),
					     is_masked(1, 0xf, (scmp_datum_t)types[k]));
	return r;
}

/* A worker reads flow records from the map whose read-only descriptor it was given. */
static int allow_bpf_lookup(scmp_filter_ctx f)
{
	const scmp_datum_t map_lookup_elem = 1; /* BPF_MAP_LOOKUP_ELEM */

	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1, is(0, map_lookup_elem));
}

/* abort() of itself. */
static int allow_own_signal(scmp_filter_ctx f)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				is(0, (scmp_datum_t)getpid()));
}

static int allow_ioctl(scmp_filter_ctx f)
{
	static const unsigned commands[] = { 0x5421 /* FIONBIO */, 0x541b /* FIONREAD */ };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(commands); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, is(1, commands[i]));
	return r;
}

static int fill(scmp_filter_ctx f, unsigned role)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(table); i++)
		if (table[i].roles & role)
			r = allow(f, table[i].call);
	if (r == 0)
		r = allow_fcntl(f);
	if (r == 0)
		r = allow_memory(f);
	if (r == 0)
		r = allow_own_signal(f);
	if (r == 0)
		r = allow_ioctl(f);
	if (r == 0 && role == EG_WORKER)
		r = allow_sockets(f);
	if (r == 0 && role == EG_WORKER)
		r = allow_bpf_lookup(f);
	return r;
}

/* A signal handler has no context, may allocate nothing and take no lock: all is ready beforehand.
 */
static char names[CALLS_MAX][NAME_MAX_BYTES];

static void resolve_names(void)
{
	for (int call = 0; call < CALLS_MAX; call++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

		(void)slice_copy(slice_str(name), names[call], sizeof(names[call]));
		free(name);
	}
}

static void on_violation(int signo, siginfo_t *info, void *context)
{
	static const char before[] =
		"egretd: the sandbox ends this process: it made the system call ";
	int call = info->si_syscall;
	const char *name = call >= 0 && call < CALLS_MAX ? names[call] : "";

	(void)signo;
	(void)context;
	(void)!write(STDERR_FILENO, before, sizeof(before) - 1);
	(void)!write(STDERR_FILENO, name, strlen(name));
	(void)!write(STDERR_FILENO, "\n", 1);
	/* Any other forbidden call, with the signal blocked as it is now: the kernel kills. */
	(void)syscall(SYS_getppid);
	_exit(128 + SIGSYS);
}

int sandbox_close(unsigned role, struct diag *d)
{
	struct sigaction action = { .sa_sigaction = on_violation, .sa_flags = SA_SIGINFO };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int r = f ? fill(f, role) : -ENOMEM;

	resolve_names();

	if (r == 0 && sigaction(SIGSYS, &action, NULL) < 0)
		r = -errno;
	if (r == 0)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	if (r < 0)
		(void)diag_at(d, 0, 0, "cannot close its system calls: %s", strerror(-r));
	return r;
}

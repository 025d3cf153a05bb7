/* SPDX-License-Identifier: Apache-2.0 */
/* The vault as a process of its own, between a monitor and workers that are these tests: what it
 * answers, whom it cuts off, and that its core image holds no key. */
#include "pki.h"
#include "rpc_peer.h"

#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/log.h"
#include "egret/reasons.h"
#include "event/channel.h"
#include "vault/keyfile.h"
#include "vault/vault.h"

#define KEY_TEXT "sk-THIS-KEY-MUST-NOT-BE-IN-ANY-CORE-IMAGE-0123456789"

struct fixture {
	pid_t pid;
	int monitor; /* our end */
	int worker;
	int key_fd, cert_fd;
	uint32_t id;
	struct rpc_msg *msg;
};

static void child(int fd, rlim_t memlock)
{
	struct eg_start s = { .role = EG_VAULT, .fingerprint_key = { 5 } };
	struct rlimit limit = { memlock, memlock };
	struct vault *v = NULL;
	struct diag d = { 0 };
	int status;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_setup("vault", LOG_ERROR, false);
	(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
	/* Root's limit would not hold. */
	if (memlock && (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
			(geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)))
		_exit(7);
	if (vault_new(fd, &s, SLICE("{\"lease_ms\":60000,\"leaf_hours\":12,\"ca_days\":100}"), NULL,
		      0, &d, &v) < 0)
		_exit(d.text[0] ? 9 : 8);
	status = vault_run(v);
	(void)vault_free(v);
	_exit(status);
}

static void start(struct fixture *f, rlim_t memlock)
{
	int ends[2];

	assert_int_equal(channel_pair(ends), 0);
	f->pid = fork();
	if (f->pid == 0) {
		(void)close(ends[0]);
		child(ends[1], memlock);
	}
	(void)close(ends[1]);
	f->monitor = ends[0];
}

static int add_worker(struct fixture *f, uint32_t role)
{
	struct eg_peer q = { .role = role, .index = 3 };
	int ends[2];

	assert_int_equal(channel_pair(ends), 0);
	assert_int_equal(rpc_send(f->monitor, EG_MSG_peer, 0, &q, sizeof(q), NULL, 0, &ends[1], 1),
			 0);
	(void)close(ends[1]);
	return ends[0];
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->msg = calloc(1, sizeof(*f->msg));
	f->key_fd = temp_file();
	f->cert_fd = temp_file();
	start(f, 0);
	assert_int_equal(rpc_await(f->monitor, EG_MSG_ready, f->msg), 1);
	f->worker = add_worker(f, EG_WORKER);
	*state = f;
	return 0;
}

static int end(struct fixture *f)
{
	int status = 0;

	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	return status;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->pid) {
		(void)close(f->monitor);
		assert_int_equal(end(f), 0);
	} else {
		(void)close(f->monitor);
	}
	(void)close(f->worker);
	(void)close(f->key_fd);
	(void)close(f->cert_fd);
	free(f->msg);
	free(f);
	return 0;
}

/* Asks and waits for the reply, past whatever else comes. */
static void call(struct fixture *f, int fd, uint16_t type, const void *head, size_t head_n,
		 const void *tail, size_t tail_n, const int *fds, unsigned n_fds)
{
	uint32_t id = ++f->id;

	assert_int_equal(rpc_send(fd, type, id, head, head_n, tail, tail_n, fds, n_fds), 0);
	do {
		assert_int_equal(rpc_recv(fd, f->msg), 1);
	} while (f->msg->h.id != (id | 0x80000000u));
}

static struct eg_ca_info load_ca(struct fixture *f, struct slice names, bool rotate)
{
	struct eg_ca_load q = { .rotate = rotate, .names_n = (uint32_t)names.n };
	struct eg_ca_info info;
	int fds[2] = { f->key_fd, f->cert_fd };

	call(f, f->monitor, EG_MSG_ca_load, &q, sizeof(q), names.p, names.n, fds, 2);
	memcpy(&info, f->msg->body, sizeof(info));
	assert_int_equal(f->msg->h.len, sizeof(info) + info.pem_n);
	return info;
}

static struct eg_credential_info load_credential(struct fixture *f, const char *id,
						 const char *provider, const char *value)
{
	struct eg_credential c = { 0 };
	struct eg_credential_info info;
	int fd = temp_file();

	(void)slice_copy(slice_str(id), c.id, sizeof(c.id));
	(void)slice_copy(slice_str(provider), c.provider, sizeof(c.provider));
	assert_int_equal(pwrite(fd, value, strlen(value), 0), strlen(value));
	call(f, f->monitor, EG_MSG_credential, &c, sizeof(c), NULL, 0, &fd, 1);
	(void)close(fd);
	memcpy(&info, f->msg->body, sizeof(info));
	return info;
}

static struct eg_leased lease(struct fixture *f, int worker, const char *id, const char *provider)
{
	struct eg_lease q = { .workload = "agents" };
	struct eg_leased a;

	(void)slice_copy(slice_str(id), q.credential, sizeof(q.credential));
	(void)slice_copy(slice_str(provider), q.provider, sizeof(q.provider));
	call(f, worker, EG_MSG_lease, &q, sizeof(q), NULL, 0, NULL, 0);
	memcpy(&a, f->msg->body, sizeof(a));
	assert_int_equal(f->msg->h.len, sizeof(a) + a.n);
	return a;
}

static struct slice mint(struct fixture *f, const char *host)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	unsigned char der[256];
	struct slice spki = spki_of(key, der, sizeof(der));
	struct eg_mint q = { .host_n = (uint32_t)strlen(host), .key_n = (uint32_t)spki.n };
	char tail[512];

	memcpy(tail, host, strlen(host));
	memcpy(tail + strlen(host), spki.p, spki.n);
	call(f, f->worker, EG_MSG_mint, &q, sizeof(q), tail, strlen(host) + spki.n, NULL, 0);
	EVP_PKEY_free(key);
	return slice_of(f->msg->body, f->msg->h.len);
}

static void leaves_are_minted_for_governed_names(void **state)
{
	struct fixture *f = *state;
	uint64_t now_us = (uint64_t)time(NULL) * 1000000;
	struct eg_ca_info info;
	X509 *root, *leaf;

	assert_int_equal(mint(f, "api.openai.com").n, 0); /* no CA yet */
	info = load_ca(f, SLICE("api.openai.com\0api.anthropic.com\0"), false);
	assert_int_equal(info.status, 0);
	assert_int_equal(info.made, 1);
	root = read_pem(slice_of(f->msg->body + sizeof(info), info.pem_n));
	leaf = read_pem(mint(f, "api.openai.com"));
	assert_non_null(leaf);
	assert_int_equal(verify(&root, 1, leaf, "api.openai.com", now_us), X509_V_OK);
	assert_int_equal(mint(f, "www.bank.com").n, 0);
	X509_free(leaf);
	X509_free(root);
	assert_int_equal(load_ca(f, SLICE("api.openai.com\0api.anthropic.com\0"), false).made, 0);
	assert_int_equal(load_ca(f, SLICE("api.openai.com\0api.anthropic.com\0"), true).made, 1);
	assert_int_equal(load_ca(f, SLICE("*.com\0"), false).status, EINVAL);
}

static void credentials_are_leased(void **state)
{
	struct fixture *f = *state;
	struct eg_credential_info info = load_credential(f, "openai", "openai", KEY_TEXT "\n");
	struct eg_leased a;

	assert_int_equal(info.status, 0);
	assert_string_equal(info.last4, "6789");
	assert_int_equal(strlen(info.fingerprint), 16);
	a = lease(f, f->worker, "", "openai");
	assert_int_equal(a.status, 0);
	assert_int_equal(a.ttl_ms, 60000);
	assert_int_equal(a.n, strlen(KEY_TEXT));
	assert_memory_equal(f->msg->body + sizeof(a), KEY_TEXT, strlen(KEY_TEXT));
	assert_int_equal(lease(f, f->worker, "", "anthropic").status, ENOENT);
	assert_int_equal(load_credential(f, "bad", "openai", "two words").status, EILSEQ);
	assert_int_equal(lease(f, f->worker, "bad", "openai").status, EIO);
	assert_int_equal(load_credential(f, "openai", "openai", "").status, ENODATA);
	assert_int_equal(lease(f, f->worker, "", "openai").status, 0); /* the old one */
}

static void rotation_revokes_at_every_worker(void **state)
{
	struct fixture *f = *state;
	int second = add_worker(f, EG_WORKER);
	struct eg_credential drop = { .id = "openai", .provider = "openai" };
	struct eg_revoke r;
	uint32_t generation;

	(void)load_credential(f, "openai", "openai", "sk-one");
	(void)lease(f, second, "", "openai");
	assert_int_equal(load_credential(f, "openai", "openai", "sk-two").status, 0);
	assert_int_equal(rpc_await(f->worker, EG_MSG_revoke, f->msg), 1);
	assert_int_equal(rpc_await(second, EG_MSG_revoke, f->msg), 1);
	memcpy(&r, f->msg->body, sizeof(r));
	generation = r.generation;
	assert_true(lease(f, second, "", "openai").generation >= generation);
	assert_memory_equal(f->msg->body + sizeof(struct eg_leased), "sk-two", 6);
	assert_int_equal(rpc_send(f->monitor, EG_MSG_credential_drop, 0, &drop, sizeof(drop), NULL,
				  0, NULL, 0),
			 0);
	assert_int_equal(rpc_await(second, EG_MSG_revoke, f->msg), 1);
	assert_int_equal(lease(f, second, "", "openai").status, ENOENT);
	(void)close(second);
}

/* A command that does not end must not keep workers from their keys, nor win over a newer one. */
static void slow_source_holds_nothing_up(void **state)
{
	struct fixture *f = *state;
	struct eg_credential c = { .id = "openai", .provider = "openai" };
	int ends[2];

	(void)load_credential(f, "openai", "openai", "sk-one");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(
		rpc_send(f->monitor, EG_MSG_credential, 77, &c, sizeof(c), NULL, 0, &ends[0], 1),
		0);
	(void)close(ends[0]);
	assert_int_equal(write(ends[1], "sk-st", 5), 5);
	assert_int_equal(lease(f, f->worker, "", "openai").status, 0);
	assert_int_equal(load_credential(f, "openai", "openai", "sk-two").status, 0);
	assert_int_equal(write(ends[1], "ale", 3) < 0 ? errno : 0, EPIPE); /* no longer read */
	(void)close(ends[1]);
	(void)lease(f, f->worker, "", "openai");
	assert_memory_equal(f->msg->body + sizeof(struct eg_leased), "sk-two", 6);
}

static void workers_share_ticket_keys(void **state)
{
	struct fixture *f = *state;
	int second = add_worker(f, EG_WORKER);
	struct eg_tickets a, b;

	call(f, f->worker, EG_MSG_tickets, NULL, 0, NULL, 0, NULL, 0);
	assert_int_equal(f->msg->h.len, sizeof(a));
	memcpy(&a, f->msg->body, sizeof(a));
	call(f, second, EG_MSG_tickets, NULL, 0, NULL, 0, NULL, 0);
	memcpy(&b, f->msg->body, sizeof(b));
	assert_memory_equal(&a, &b, sizeof(a));
	(void)close(second);
}

/* ---- who may not ---- */

static void assert_cut_off(struct fixture *f, int worker)
{
	while (rpc_recv(worker, f->msg) == 1)
		;
	(void)close(worker);
	/* The others are served on. */
	call(f, f->worker, EG_MSG_tickets, NULL, 0, NULL, 0, NULL, 0);
}

static void a_worker_that_oversteps_is_cut_off(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t id;
		size_t n;
		uint32_t first, second; /* words of the body */
	} cases[] = {
		{ EG_MSG_ca_load, 1, 64, 1, 0 },
		{ EG_MSG_credential, 1, 128, 0, 0 },
		{ EG_MSG_credential_drop, 0, 128, 0, 0 },
		{ EG_MSG_stop, 0, 4, 0, 0 },
		{ EG_MSG_peer, 0, 8, EG_WORKER, 0 },
		{ EG_MSG_start, 0, 64, 0, 0 },
		{ EG_MSG_revoke, 0, 8, 0, 0 },
		{ EG_MSG_attest, 1, 64, 0, 0 }, /* its to send, but not to us */
		{ EG_MSG_tickets, 0, 0, 0, 0 }, /* no reply wanted: pointless */
		{ EG_MSG_lease, 1, 10, 0, 0 }, /* short */
		{ EG_MSG_lease, 1, 4000, 0, 0 }, /* long */
		{ EG_MSG_mint, 1, 4, 0, 0 },
		{ EG_MSG_mint, 1, 100, 200, 0 },
		{ EG_MSG_mint, 1, 100, 0, 91 },
		{ EG_MSG_mint, 1, 100, 0xfffffff0, 108 },
		{ EG_MSG_mint, 1, 100, 92, 0xffffffff },
		{ 999, 1, 0, 0, 0 },
		{ 0, 1, 0, 0, 0 },
	};
	struct fixture *f = *state;
	char body[4096] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int worker = add_worker(f, EG_WORKER);

		memcpy(body, &cases[i].first, 4);
		memcpy(body + 4, &cases[i].second, 4);
		assert_int_equal(rpc_send(worker, cases[i].type, cases[i].id, body, cases[i].n,
					  NULL, 0, NULL, 0),
				 0);
		assert_cut_off(f, worker);
	}
}

static void only_workers_are_peers(void **state)
{
	struct fixture *f = *state;

	assert_cut_off(f, add_worker(f, EG_RECORDER));
	assert_cut_off(f, add_worker(f, EG_MONITOR));
}

static void malformed_monitor_messages_are_survived(void **state)
{
	struct fixture *f = *state;
	char junk[256];
	int fd = temp_file();
	static const uint16_t types[] = { EG_MSG_ca_load, EG_MSG_credential, EG_MSG_credential_drop,
					  EG_MSG_policy };

	memset(junk, 0xff, sizeof(junk));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		for (size_t n = 0; n <= 64; n += 8)
			assert_int_equal(rpc_send(f->monitor, types[i], 0, junk, n, NULL, 0, &fd,
						  n % 16 ? 1 : 0),
					 0);
	(void)close(fd);
	assert_int_equal(load_ca(f, SLICE("api.openai.com\0"), false).status, 0);
}

static void it_stops_when_its_workers_are_done(void **state)
{
	struct fixture *f = *state;
	struct eg_stop q = { .deadline_ms = 60000 };

	(void)load_credential(f, "openai", "openai", "sk-one");
	assert_int_equal(rpc_send(f->monitor, EG_MSG_stop, 0, &q, sizeof(q), NULL, 0, NULL, 0), 0);
	assert_int_equal(lease(f, f->worker, "", "openai").status, 0); /* in flight */
	(void)close(f->worker);
	f->worker = -EBADF;
	assert_int_equal(end(f), 0);
}

/* ---- memory ---- */

/* The command's exit status. */
static int run(const char *const argv[])
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool holds(const char *text, size_t n, const void *part, size_t part_n)
{
	return memmem(text, n, part, part_n) != NULL;
}

static char *core_of(struct fixture *f, size_t *ret_n)
{
	char dir[] = "/tmp/egret-core-XXXXXX", prefix[64], path[96], pid[16];
	const char *argv[] = { "gcore", "-o", prefix, pid, NULL };
	struct stat st;
	char *text;
	int fd;

	assert_non_null(mkdtemp(dir));
	(void)snprintf(prefix, sizeof(prefix), "%s/core", dir);
	(void)snprintf(pid, sizeof(pid), "%d", (int)f->pid);
	(void)snprintf(path, sizeof(path), "%s.%s", prefix, pid);
	if (run(argv) != 0) {
		(void)rmdir(dir);
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(text != MAP_FAILED);
	*ret_n = (size_t)st.st_size;
	(void)close(fd);
	(void)unlink(path);
	(void)rmdir(dir);
	return text;
}

/* An address sanitizer maps terabytes of shadow, which no core image is made of. */
#ifdef __SANITIZE_ADDRESS__
#define HAS_SHADOW 1
#else
#define HAS_SHADOW 0
#endif

static void core_image_holds_no_key(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *keys[KEYFILE_KEYS_MAX];
	unsigned char scalar[32], reversed[32];
	BIGNUM *bn = NULL;
	size_t n = 0, n_keys;
	char *core;

	if (HAS_SHADOW)
		skip();
	(void)load_ca(f, SLICE("api.openai.com\0"), false);
	(void)mint(f, "api.openai.com");
	(void)load_credential(f, "openai", "openai", KEY_TEXT);
	(void)lease(f, f->worker, "", "openai");
	(void)load_credential(f, "marker", "openai", "sk-marker");
	core = core_of(f, &n);
	if (!core)
		skip(); /* no gdb here, or it may not attach */
	assert_true(holds(core, n, "openai", 6)); /* it is the vault's memory that we look at */
	assert_false(holds(core, n, KEY_TEXT, strlen(KEY_TEXT)));
	assert_false(holds(core, n, KEY_TEXT, 24));
	assert_int_equal(keyfile_init(), 0);
	assert_int_equal(keyfile_read(f->key_fd, keys, &n_keys), 0);
	assert_int_equal(n_keys, 1);
	assert_int_equal(EVP_PKEY_get_bn_param(keys[0], OSSL_PKEY_PARAM_PRIV_KEY, &bn), 1);
	assert_int_equal(BN_bn2binpad(bn, scalar, 32), 32);
	for (size_t i = 0; i < 32; i++)
		reversed[i] = scalar[31 - i];
	/* Half of it would be too much. */
	assert_false(holds(core, n, scalar, 16));
	assert_false(holds(core, n, reversed, 16));
	BN_clear_free(bn);
	EVP_PKEY_free(keys[0]);
	(void)munmap(core, n);
}

static void too_small_a_limit_is_said(void **state)
{
	struct fixture f = { 0 };
	int status = 0;

	(void)state;
	start(&f, 4096);
	assert_int_equal(waitpid(f.pid, &status, 0), f.pid);
	assert_int_equal(WEXITSTATUS(status), 9);
	(void)close(f.monitor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(leaves_are_minted_for_governed_names),
		T(credentials_are_leased),
		T(rotation_revokes_at_every_worker),
		T(slow_source_holds_nothing_up),
		T(workers_share_ticket_keys),
		T(a_worker_that_oversteps_is_cut_off),
		T(only_workers_are_peers),
		T(malformed_monitor_messages_are_survived),
		T(it_stops_when_its_workers_are_done),
		T(core_image_holds_no_key),
		cmocka_unit_test(too_small_a_limit_is_said),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

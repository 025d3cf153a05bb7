/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/pem.h"

static const struct store stores[] = {
	{ .name = "debian",
	  .dir = "/usr/local/share/ca-certificates",
	  .bundle = "/etc/ssl/certs/ca-certificates.crt",
	  .update = "/usr/sbin/update-ca-certificates",
	  .links = "/etc/ssl/certs",
	  .list = "/etc/ca-certificates.conf",
	  .java = "/etc/ssl/certs/java/cacerts" },
	{ .name = "fedora",
	  .dir = "/etc/pki/ca-trust/source/anchors",
	  .bundle = "/etc/pki/tls/certs/ca-bundle.crt",
	  .update = "/usr/bin/update-ca-trust",
	  .argument = "extract" },
	{ .name = "suse",
	  .dir = "/etc/pki/trust/anchors",
	  .bundle = "/etc/ssl/ca-bundle.pem",
	  .update = "/usr/sbin/update-ca-certificates" },
	{ .name = "arch",
	  .dir = "/etc/ca-certificates/trust-source/anchors",
	  .bundle = "/etc/ssl/certs/ca-certificates.crt",
	  .update = "/usr/bin/update-ca-trust" },
};

const struct store *store_find(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(stores); i++)
		if (access(stores[i].dir, F_OK) == 0 && access(stores[i].update, X_OK) == 0)
			return &stores[i];
	return NULL;
}

static void file_name(const struct store *s, unsigned n, const char *suffix, char *to, size_t size)
{
	(void)snprintf(to, size, "%s/egret-ca-%u.crt%s", s->dir, n, suffix);
}

static int fail(struct diag *d, const char *action, const char *object)
{
	return diag_at(d, 0, 0, "cannot %s %s: %s", action, object, strerror(errno));
}

/* Appears whole or not at all. */
static int write_file(const struct store *s, unsigned n, struct slice text, struct diag *d)
{
	char path[160], fresh[176];
	_cleanup_close_ int fd = -EBADF;

	file_name(s, n, "", path, sizeof(path));
	file_name(s, n, ".new", fresh, sizeof(fresh));
	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fail(d, "write", fresh);
	if (write(fd, text.p, text.n) != (ssize_t)text.n || fchmod(fd, 0644) < 0 || fsync(fd) < 0 ||
	    rename(fresh, path) < 0) {
		(void)fail(d, "write", path);
		(void)unlink(fresh);
		return -EINVAL;
	}
	return 0;
}

/* Removes files from N on; the names go to `files` when it is not NULL. */
static int remove_files(const struct store *s, unsigned from, json_t *files, struct diag *d)
{
	char path[160];

	for (unsigned n = from; n <= STORE_FILES_MAX; n++) {
		file_name(s, n, "", path, sizeof(path));
		if (unlink(path) == 0)
			(void)(files && json_array_append_new(files, json_string(path)));
		else if (errno != ENOENT)
			return fail(d, "remove", path);
	}
	return 0;
}

static bool has_link(const struct store *s, unsigned n, char *path, size_t size)
{
	struct stat st;

	(void)snprintf(path, size, "%s/egret-ca-%u.pem", s->links, n);
	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* A link that is there is taken for the same certificate, which it is not after a rotation. */
static void drop_link(const struct store *s, unsigned n)
{
	char path[160];

	if (s->links && has_link(s, n, path, sizeof(path)))
		(void)unlink(path);
}

/* The list of certificates, and in it "!FILE" for each of ours that is not there any more: its
 * link then goes, and whoever copies the store (Java's) is told. */
static int make_list(const struct store *s, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("egret-certificates", MFD_CLOEXEC);
	struct buf list = { 0 };
	char path[160];
	int r = fd < 0 ? -errno : pem_read_file(s->list, &list);

	if (r == -ENOENT) {
		buf_init(&list, PEM_FILE_MAX);
		r = 0;
	}
	for (unsigned n = 1; r == 0 && n <= STORE_FILES_MAX; n++) {
		file_name(s, n, "", path, sizeof(path));
		if (access(path, F_OK) < 0)
			r = buf_printf(&list, "\n!egret-ca-%u.crt", n);
	}
	if (r == 0)
		r = buf_append_slice(&list, SLICE("\n"));
	if (r == 0 && write(fd, buf_slice(&list).p, buf_len(&list)) != (ssize_t)buf_len(&list))
		r = -EIO;
	buf_release(&list);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

static int run_update(const struct store *s, struct diag *d)
{
	char *argv[4] = { (char *)(uintptr_t)s->update, (char *)(uintptr_t)s->argument };
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", option[] = "--certsconf", list[32];
	char *const env[] = { path, NULL };
	_cleanup_close_ int fd = -EBADF;
	int status = 0;
	pid_t pid;

	if (s->list) {
		int r = make_list(s, &fd);

		if (r < 0)
			return diag_at(d, 0, 0, "cannot read %s: %s", s->list, strerror(-r));
		(void)snprintf(list, sizeof(list), "/proc/self/fd/%d", fd);
		argv[1] = option;
		argv[2] = list;
	}
	pid = fork();
	if (pid < 0)
		return fail(d, "run", s->update);
	if (pid == 0) {
		/* Its report is not this command's answer. */
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		(void)fcntl(fd, F_SETFD, 0);
		(void)execve(s->update, argv, env);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(d, "wait for", s->update);
	if (status)
		return diag_at(d, 0, 0, "%s failed (status %d): see what it said above", s->update,
			       WIFEXITED(status) ? WEXITSTATUS(status) : status);
	return 0;
}

/* The bundle's own word on each certificate of `pem`. */
static int check_bundle(const struct store *s, struct slice pem, struct diag *d)
{
	struct buf bundle, der;
	int r = pem_read_file(s->bundle, &bundle);

	if (r < 0)
		return diag_at(d, 0, 0, "cannot read %s: %s", s->bundle, strerror(-r));
	buf_init(&der, 1u << 20);
	while (pem_next(&pem, &der) == 1 && r == 0)
		if (!pem_holds(buf_slice(&bundle), buf_slice(&der)))
			r = diag_at(d, 0, 0, "%s ran, but %s still lacks the certificate",
				    s->update, s->bundle);
	buf_release(&der);
	buf_release(&bundle);
	return r;
}

int store_install(const struct store *s, struct slice pem, json_t *files, struct diag *d)
{
	struct slice rest = pem, before;
	struct buf der;
	unsigned n = 0;
	char path[160];
	int r, more;

	buf_init(&der, 1u << 20);
	for (r = 0; r == 0 && n < STORE_FILES_MAX; n++) {
		before = rest;
		more = pem_next(&rest, &der);
		if (more <= 0) {
			r = more < 0 ? diag_at(d, 0, 0, "the CA's file is no PEM") : 0;
			break;
		}
		/* One certificate a file: update-ca-certificates makes links for no other. */
		before.n -= rest.n;
		r = write_file(s, n + 1, before, d);
		drop_link(s, n + 1);
		file_name(s, n + 1, "", path, sizeof(path));
		(void)json_array_append_new(files, json_string(path));
	}
	buf_release(&der);
	if (r == 0 && n == 0)
		r = diag_at(d, 0, 0, "the CA's file holds no certificate");
	if (r == 0)
		r = remove_files(s, n + 1, NULL, d);
	if (r == 0)
		r = run_update(s, d);
	return r < 0 ? r : check_bundle(s, pem, d);
}

/* The number of one of ours that Java's store has by its name; 0: of none. */
static unsigned java_has(const struct store *s)
{
	struct buf store = { 0 };
	unsigned found = 0;
	char alias[64];

	if (!s->java || pem_read_file(s->java, &store) < 0)
		return 0;
	for (unsigned n = 1; !found && n <= STORE_FILES_MAX; n++) {
		int len = snprintf(alias, sizeof(alias), "debian:egret-ca-%u.pem", n);

		if (memmem(buf_slice(&store).p, buf_len(&store), alias, (size_t)len))
			found = n;
	}
	buf_release(&store);
	return found;
}

/* 0: none is left. */
static int check_gone(const struct store *s, struct diag *d)
{
	char path[160];
	unsigned java;

	for (unsigned n = 1; s->links && n <= STORE_FILES_MAX; n++)
		if (has_link(s, n, path, sizeof(path)))
			return diag_at(d, 0, 0, "%s ran, but %s is still there: remove it",
				       s->update, path);
	java = java_has(s);
	if (java)
		return diag_at(d, 0, 0,
			       "%s ran, but Java still trusts the certificate: its hook did not "
			       "remove it: `keytool -delete -noprompt -storepass changeit "
			       "-keystore %s -alias debian:egret-ca-%u.pem`",
			       s->update, s->java, java);
	return 0;
}

int store_uninstall(const struct store *s, json_t *files, struct diag *d)
{
	struct diag left = { 0 };
	int r = remove_files(s, 1, files, d);

	if (r < 0 || (json_array_size(files) == 0 && check_gone(s, &left) == 0))
		return r;
	r = run_update(s, d);
	return r < 0 ? r : check_gone(s, d);
}

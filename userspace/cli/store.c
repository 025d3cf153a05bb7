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
	{ "debian", "/usr/local/share/ca-certificates", "/etc/ssl/certs/ca-certificates.crt",
	  "/usr/sbin/update-ca-certificates", NULL, "/etc/ca-certificates.conf" },
	{ "fedora", "/etc/pki/ca-trust/source/anchors", "/etc/pki/tls/certs/ca-bundle.crt",
	  "/usr/bin/update-ca-trust", "extract", NULL },
	{ "suse", "/etc/pki/trust/anchors", "/etc/ssl/ca-bundle.pem",
	  "/usr/sbin/update-ca-certificates", NULL, NULL },
	{ "arch", "/etc/ca-certificates/trust-source/anchors", "/etc/ssl/certs/ca-certificates.crt",
	  "/usr/bin/update-ca-trust", NULL, NULL },
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

/* Removes files from N on, and adds their paths to `files`. */
static int remove_files(const struct store *s, unsigned from, json_t *files, struct diag *d)
{
	char path[160];

	for (unsigned n = from; n <= STORE_FILES_MAX; n++) {
		file_name(s, n, "", path, sizeof(path));
		if (unlink(path) == 0)
			(void)json_array_append_new(files, json_string(path));
		else if (errno != ENOENT)
			return fail(d, "remove", path);
	}
	return 0;
}

/* The list of what is chosen, as it is, and after it what has been removed as not chosen: a file
 * that has no name, for the program alone. -EBADF: there is no such list. */
static int open_choice(const struct store *s, const json_t *removed, struct buf *text)
{
	int fd = -EBADF, r = s->choice ? pem_read_file(s->choice, text) : -ENOENT;

	for (size_t i = 0; r == 0 && i < json_array_size(removed); i++)
		r = buf_printf(text, "\n!%s\n",
			       strrchr(json_string_value(json_array_get(removed, i)), '/') + 1);
	if (r == 0)
		fd = memfd_create("egret-ca", 0);
	if (fd >= 0 && write(fd, buf_slice(text).p, buf_len(text)) != (ssize_t)buf_len(text))
		cleanup_close(&fd);
	return fd < 0 ? -EBADF : fd;
}

static void become_update(const struct store *s, int choice)
{
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char option[] = "--certsconf", file[32];
	char *const env[] = { path, NULL };
	char *const plain[] = { (char *)(uintptr_t)s->update, (char *)(uintptr_t)s->argument,
				NULL };
	char *const chosen[] = { (char *)(uintptr_t)s->update, option, file, NULL };

	(void)snprintf(file, sizeof(file), "/proc/self/fd/%d", choice);
	/* Its report is not this command's answer. */
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	(void)execve(s->update, choice < 0 ? plain : chosen, env);
	_exit(127);
}

/* `removed`: paths of files of ours that are no more. */
static int run_update(const struct store *s, const json_t *removed, struct diag *d)
{
	struct buf text = { 0 };
	_cleanup_close_ int choice = -EBADF;
	int status = 0;
	pid_t pid;

	if (json_array_size(removed))
		choice = open_choice(s, removed, &text);
	buf_release(&text);
	pid = fork();
	if (pid < 0)
		return fail(d, "run", s->update);
	if (pid == 0)
		become_update(s, choice);
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
	json_t *gone = json_array();
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
		file_name(s, n + 1, "", path, sizeof(path));
		(void)json_array_append_new(files, json_string(path));
	}
	buf_release(&der);
	if (r == 0 && n == 0)
		r = diag_at(d, 0, 0, "the CA's file holds no certificate");
	if (r == 0)
		r = remove_files(s, n + 1, gone, d);
	if (r == 0)
		r = run_update(s, gone, d);
	json_decref(gone);
	return r < 0 ? r : check_bundle(s, pem, d);
}

int store_uninstall(const struct store *s, json_t *files, struct diag *d)
{
	int r = remove_files(s, 1, files, d);

	if (r < 0 || json_array_size(files) == 0)
		return r;
	return run_update(s, files, d);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/place.h"

#include "base/cleanup.h"

static const char *const runtimes[] = {
	[PLACE_RUNTIME_NONE] = "",
	[PLACE_RUNTIME_DOCKER] = "docker",
	[PLACE_RUNTIME_CONTAINERD] = "containerd",
	[PLACE_RUNTIME_CRIO] = "cri-o",
	[PLACE_RUNTIME_PODMAN] = "podman",
};

const char *place_runtime_name(enum place_runtime runtime)
{
	return runtimes[runtime];
}

enum place_runtime place_runtime_of(struct slice name)
{
	for (size_t i = 1; i < ARRAY_SIZE(runtimes); i++)
		if (slice_eq(name, slice_str(runtimes[i])))
			return (enum place_runtime)i;
	return PLACE_RUNTIME_NONE;
}

/* The next component of a path; false at its end. */
static bool next_component(struct slice *path, struct slice *ret)
{
	const char *end;

	while (path->n && path->p[0] == '/')
		*path = slice_of(path->p + 1, path->n - 1);
	if (!path->n)
		return false;
	end = memchr(path->p, '/', path->n);
	*ret = slice_of(path->p, end ? (size_t)(end - path->p) : path->n);
	*path = slice_of(path->p + ret->n, path->n - ret->n);
	return true;
}

static bool is_slice(struct slice name)
{
	return slice_has_suffix(name, SLICE(".slice"));
}

static bool is_unit(struct slice name)
{
	return slice_has_suffix(name, SLICE(".service")) ||
	       slice_has_suffix(name, SLICE(".scope")) ||
	       slice_has_suffix(name, SLICE(".socket")) ||
	       slice_has_suffix(name, SLICE(".mount")) || slice_has_suffix(name, SLICE(".swap"));
}

/* systemd puts `_` before a name that the kernel could take for a file of its own. */
static struct slice unescape(struct slice name)
{
	return name.n > 1 && name.p[0] == '_' ? slice_of(name.p + 1, name.n - 1) : name;
}

static bool is_user_manager(struct slice name)
{
	size_t digits;

	if (!slice_has_prefix(name, SLICE("user@")) || !slice_has_suffix(name, SLICE(".service")))
		return false;
	digits = name.n - strlen("user@") - strlen(".service");
	for (size_t i = 0; i < digits; i++)
		if (name.p[5 + i] < '0' || name.p[5 + i] > '9')
			return false;
	return digits > 0;
}

/* As systemd does: behind all slices, the first name is the unit; what is below is the unit's own.
 */
static void find_unit(struct slice path, struct place *ret)
{
	struct slice name = { 0 };

	while (next_component(&path, &name) && is_slice(name))
		;
	name = unescape(name);
	if (!is_unit(name))
		return;
	ret->unit = name;
	if (!is_user_manager(name))
		return;
	while (next_component(&path, &name) && is_slice(name))
		;
	name = unescape(name);
	if (is_unit(name) && name.p != ret->unit.p)
		ret->user_unit = name;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_container_id(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_hex(s.p[i]))
			return false;
	return s.n == PLACE_CONTAINER_ID;
}

/* Cuts `prefix` and, if it is there, ".scope"; what is left must be a container id. */
static bool take_id(struct slice name, struct slice prefix, struct slice *ret)
{
	if (!slice_has_prefix(name, prefix))
		return false;
	name = slice_of(name.p + prefix.n, name.n - prefix.n);
	if (slice_has_suffix(name, SLICE(".scope")))
		name.n -= strlen(".scope");
	*ret = name;
	return is_container_id(name);
}

static enum place_runtime container_of_name(struct slice name, struct slice parent, bool in_pod,
					    struct slice *ret)
{
	static const struct {
		struct slice prefix;
		enum place_runtime runtime;
	} shapes[] = {
		{ { "docker-", 7 }, PLACE_RUNTIME_DOCKER },
		{ { "cri-containerd-", 15 }, PLACE_RUNTIME_CONTAINERD },
		{ { "nerdctl-", 8 }, PLACE_RUNTIME_CONTAINERD },
		{ { "crio-", 5 }, PLACE_RUNTIME_CRIO },
		{ { "libpod-payload-", 15 }, PLACE_RUNTIME_PODMAN },
		{ { "libpod-", 7 }, PLACE_RUNTIME_PODMAN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (take_id(name, shapes[i].prefix, ret))
			return shapes[i].runtime;
	if (!is_container_id(name))
		return PLACE_RUNTIME_NONE;
	*ret = name;
	if (slice_eq(parent, SLICE("docker")))
		return PLACE_RUNTIME_DOCKER;
	return in_pod ? PLACE_RUNTIME_CONTAINERD : PLACE_RUNTIME_NONE;
}

/* "kubepods-burstable-podUID.slice" (with `_` for `-`) or "podUID": the UID. */
static void take_pod(struct slice name, struct place *ret)
{
	struct slice uid = { 0 };

	if (slice_has_suffix(name, SLICE(".slice")))
		name.n -= strlen(".slice");
	for (size_t i = 0; i + 3 <= name.n; i++)
		if (memcmp(name.p + i, "pod", 3) == 0 && (i == 0 || name.p[i - 1] == '-'))
			uid = slice_of(name.p + i + 3, name.n - i - 3);
	/* 36 with dashes; 32 for pods that the kubelet read from a file. */
	if (uid.n != 36 && uid.n != 32)
		return;
	for (size_t i = 0; i < uid.n; i++) {
		char c = uid.p[i] == '_' ? '-' : uid.p[i];

		if (!is_hex(c) && c != '-') {
			ret->pod_uid[0] = '\0';
			return;
		}
		ret->pod_uid[i] = c;
	}
	ret->pod_uid[uid.n] = '\0';
}

/* Directories that only an engine running as root makes, at the top. */
static bool is_engine(struct slice name)
{
	return slice_eq(name, SLICE("docker")) || slice_eq(name, SLICE("libpod_parent"));
}

static bool is_kubepods(struct slice name)
{
	return slice_eq(name, SLICE("kubepods")) || slice_eq(name, SLICE("kubepods.slice"));
}

/* The outermost container: what runs inside one makes its own names. */
static void find_container(struct slice path, struct place *ret)
{
	struct slice name, parent = { 0 };
	bool kubernetes = false;

	for (unsigned depth = 0; next_component(&path, &name); depth++) {
		ret->runtime = container_of_name(name, parent, ret->pod_uid[0], &ret->container);
		if (ret->runtime)
			return;
		if (is_kubepods(name))
			kubernetes = true;
		else if (kubernetes && !ret->pod_uid[0])
			take_pod(name, ret);
		/* Below a pod's directory there are only its containers. */
		if (!is_slice(name) && !(depth == 0 && is_engine(name)) && !kubernetes)
			ret->nested = true;
		parent = name;
	}
	ret->container = (struct slice){ 0 };
}

void place_of(struct slice path, struct place *ret)
{
	*ret = (struct place){ 0 };
	find_unit(path, ret);
	find_container(path, ret);
	if (!ret->container.n && !ret->pod_uid[0])
		ret->nested = false;
}

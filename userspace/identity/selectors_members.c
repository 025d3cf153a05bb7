/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/selectors_members.h"

#include <grp.h>
#include <pwd.h>

#include "identity/selectors_read.h"

#define UNIT_MAX   511
#define PATH_BYTES 4095

typedef int (*member_fn)(struct selectors_reading *r, const char *key, json_t *value);

int selectors_members_bad(struct selectors_reading *r, const char *key, const char *expected)
{
	return json_doc_error(r->doc, r->d, r->entry, key, false,
			      "workload \"" SLICE_FMT "\": \"%s\" must be %s",
			      SLICE_ARG(r->s->workloads[r->workload].name), key, expected);
}

/* A copy that lives as long as the selectors; {NULL, 0}: out of memory. */
static struct slice keep(struct selectors_reading *r, json_t *value)
{
	return pool_dup(&r->s->pool, slice_of(json_string_value(value), json_string_length(value)));
}

static bool is_string(json_t *value, size_t max)
{
	return json_is_string(value) && json_string_length(value) &&
	       json_string_length(value) <= max;
}

/* Plain components between single slashes. */
static bool is_clean_path(struct slice path)
{
	size_t begin = path.n && path.p[0] == '/';

	for (size_t i = begin; i <= path.n; i++) {
		struct slice part;

		if (i < path.n && path.p[i] != '/')
			continue;
		part = slice_of(path.p + begin, i - begin);
		if (!part.n || slice_eq(part, SLICE(".")) || slice_eq(part, SLICE("..")))
			return false;
		begin = i + 1;
	}
	return path.n > 0;
}

static size_t depth_of(struct slice path)
{
	size_t n = 0;

	for (size_t i = 0; i < path.n; i++)
		n += path.p[i] == '/';
	return n;
}

static int read_cgroup(struct selectors_reading *r, const char *key, json_t *value)
{
	const char *text = json_string_value(value);
	const char *base =
		text && text[0] != '/' && strcmp(r->attached, "/") != 0 ? r->attached : "";
	char *full;

	if (!is_string(value, PATH_BYTES / 2) ||
	    (strcmp(text, "/") != 0 && !is_clean_path(slice_str(text))))
		return selectors_members_bad(
			r, key,
			"a cgroup's path: \"/from/the/mount\", or relative to the cgroup that "
			"egret is attached to; no empty, \".\" or \"..\" parts");
	full = pool_printf(&r->s->pool, "%s%s%s", base, text[0] == '/' ? "" : "/", text);
	if (!full)
		return -ENOMEM;
	r->sel.cgroup = slice_str(full);
	if (depth_of(r->sel.cgroup) > SELECTORS_DEPTH_MAX)
		return selectors_members_bad(r, key, "at most 32 directories deep");
	return 0;
}

static int read_run(struct selectors_reading *r, const char *key, json_t *value)
{
	if (!json_is_true(value))
		return selectors_members_bad(r, key,
					     "true: started with `egret run` as this workload");
	r->sel.run = true;
	return 0;
}

static int read_unit(struct selectors_reading *r, const char *key, json_t *value)
{
	struct slice unit = slice_str(json_string_value(value));

	if (!is_string(value, UNIT_MAX) || depth_of(unit) > 1 || !is_clean_path(unit) ||
	    unit.p[0] == '/' || !memchr(unit.p, '.', unit.n))
		return selectors_members_bad(
			r, key,
			"a systemd unit with its suffix (\"agent.service\"), or "
			"\"user@1000.service/agent.service\" for one of a user's own");
	r->sel.unit = keep(r, value);
	return r->sel.unit.p ? 0 : -ENOMEM;
}

int selectors_members_exe(struct selectors_reading *r, const char *key, json_t *value)
{
	if (!is_string(value, PATH_BYTES) || json_string_value(value)[0] != '/' ||
	    !is_clean_path(slice_str(json_string_value(value))))
		return selectors_members_bad(
			r, key, "the absolute path of a program, without \".\" or \"..\"");
	r->sel.exe = keep(r, value);
	return r->sel.exe.p ? 0 : -ENOMEM;
}

static bool is_id(json_t *value, uint32_t *ret)
{
	json_int_t n = json_integer_value(value);

	*ret = (uint32_t)n;
	return json_is_integer(value) && n >= 0 && n < UINT32_MAX;
}

static int read_user(struct selectors_reading *r, const char *key, json_t *value)
{
	char room[16384];
	struct passwd entry, *found = NULL;

	r->sel.has_uid = true;
	if (is_id(value, &r->sel.uid))
		return 0;
	if (is_string(value, 255) &&
	    getpwnam_r(json_string_value(value), &entry, room, sizeof(room), &found) == 0 &&
	    found) {
		r->sel.uid = found->pw_uid;
		return 0;
	}
	return selectors_members_bad(r, key, "the name of a user of this host, or a number");
}

static int read_group(struct selectors_reading *r, const char *key, json_t *value)
{
	char room[16384];
	struct group entry, *found = NULL;

	r->sel.has_gid = true;
	if (is_id(value, &r->sel.gid))
		return 0;
	if (is_string(value, 255) &&
	    getgrnam_r(json_string_value(value), &entry, room, sizeof(room), &found) == 0 &&
	    found) {
		r->sel.gid = found->gr_gid;
		return 0;
	}
	return selectors_members_bad(r, key, "the name of a group of this host, or a number");
}

static bool is_hex(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	return true;
}

static int read_container_id(struct selectors_reading *r, const char *key, json_t *value)
{
	struct slice id = slice_str(json_string_value(value));

	if (!is_string(value, PLACE_CONTAINER_ID) || id.n < SELECTORS_ID_MIN || !is_hex(id))
		return selectors_members_bad(r, key,
					     "12 to 64 lower-case hex digits of a container's id");
	r->sel.container = keep(r, value);
	return r->sel.container.p ? 0 : -ENOMEM;
}

static int read_runtime(struct selectors_reading *r, const char *key, json_t *value)
{
	r->sel.runtime = place_runtime_of(slice_str(json_string_value(value)));
	if (!r->sel.runtime)
		return selectors_members_bad(r, key,
					     "\"docker\", \"containerd\", \"cri-o\" or \"podman\"");
	return 0;
}

static int read_pod_uid(struct selectors_reading *r, const char *key, json_t *value)
{
	if (!is_string(value, 36) ||
	    (json_string_length(value) != 36 && json_string_length(value) != 32))
		return selectors_members_bad(r, key, "a pod's UID as Kubernetes shows it");
	r->sel.pod_uid = keep(r, value);
	return r->sel.pod_uid.p ? 0 : -ENOMEM;
}

static int read_image(struct selectors_reading *r, const char *key, json_t *value)
{
	if (!is_string(value, ENGINE_TEXT_MAX))
		return selectors_members_bad(
			r, key,
			"an image's name (\"docker.io/library/agent:*\") or id (\"sha256:...\")");
	r->sel.image = keep(r, value);
	r->s->wants_engine = true;
	return r->sel.image.p ? 0 : -ENOMEM;
}

static int read_labels(struct selectors_reading *r, const char *key, json_t *value)
{
	size_t n = json_object_size(value);
	const char *name;
	json_t *wanted;

	if (!json_is_object(value) || n == 0 || n > ENGINE_LABELS_MAX)
		return selectors_members_bad(
			r, key, "an object of labels: {\"com.example.team\": \"research\"}");
	r->sel.labels = pool_zalloc(&r->s->pool, n * sizeof(*r->sel.labels));
	if (!r->sel.labels)
		return -ENOMEM;
	json_object_foreach(value, name, wanted)
	{
		struct selector_label *l = &r->sel.labels[r->sel.n_labels++];

		if (!*name || !json_is_string(wanted) ||
		    json_string_length(wanted) > ENGINE_TEXT_MAX)
			return selectors_members_bad(
				r, key, "an object of labels whose values are strings or patterns");
		l->name = pool_dup(&r->s->pool, slice_str(name));
		l->value = keep(r, wanted);
		if (!l->name.p || !l->value.p)
			return -ENOMEM;
	}
	r->s->wants_engine = true;
	return 0;
}

struct member {
	const char *name;
	member_fn read;
};

static int read_members(struct selectors_reading *r, const struct member *members, json_t *object)
{
	json_t *outer = r->entry, *value;
	const char *key;
	int ret = 0;

	r->entry = object;
	json_object_foreach(object, key, value)
	{
		const struct member *m = members;

		while (m->name && strcmp(m->name, key) != 0)
			m++;
		ret = m->name ? m->read(r, key, value) : 0;
		if (ret < 0)
			break;
	}
	r->entry = outer;
	return ret;
}

static int read_container(struct selectors_reading *r, const char *key, json_t *value)
{
	static const char *const names[] = { "id", "runtime", "pod_uid", "image", "labels", NULL };
	static const struct member members[] = {
		{ "id", read_container_id }, { "runtime", read_runtime },
		{ "pod_uid", read_pod_uid }, { "image", read_image },
		{ "labels", read_labels },   { NULL, NULL },
	};
	int ret;

	if (!json_is_object(value) || !json_object_size(value))
		return selectors_members_bad(r, key,
					     "an object with \"id\", \"runtime\", \"pod_uid\", "
					     "\"image\" or \"labels\"");
	ret = json_doc_only(r->doc, r->d, value, names);
	r->sel.in_container = true;
	return ret < 0 ? ret : read_members(r, members, value);
}

int selectors_members_read(struct selectors_reading *r)
{
	static const struct member members[] = {
		{ "cgroup", read_cgroup },	  { "run", read_run },	 { "unit", read_unit },
		{ "container", read_container },  { "user", read_user }, { "group", read_group },
		{ "exe", selectors_members_exe }, { NULL, NULL },
	};

	return read_members(r, members, r->entry);
}

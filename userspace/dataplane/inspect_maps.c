/* SPDX-License-Identifier: Apache-2.0 */
/* The maps of what is attached: shape, fill and kernel memory. See inspect.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/inspect.h"
#include "dataplane/pins.h"

#define KEY_MAX 64 /* bytes; the largest of ours is struct eg_tuple */

/* Counts by walking; bounded by max_entries, for others change the map meanwhile. */
static int64_t count_entries(int fd, const struct bpf_map_info *info)
{
	char a[KEY_MAX], b[KEY_MAX];
	int64_t n = 0;

	if (info->type == BPF_MAP_TYPE_PERCPU_ARRAY)
		return info->max_entries;
	if ((info->type != BPF_MAP_TYPE_LPM_TRIE && info->type != BPF_MAP_TYPE_LRU_HASH) ||
	    info->key_size > KEY_MAX)
		return -1;
	if (bpf_map_get_next_key(fd, NULL, a) < 0)
		return 0;
	for (n = 1; n < info->max_entries; n++) {
		if (bpf_map_get_next_key(fd, a, b) < 0)
			break;
		memcpy(a, b, info->key_size);
	}
	return n;
}

static uint64_t kernel_bytes(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	(void)fclose(f);
	return bytes;
}

int inspect_maps(const struct inspect *in, inspect_map_fn fn, void *ctx)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < PINS_MAP_COUNT; i++) {
		struct bpf_map_info info = { 0 };
		struct inspect_map m = { .name = pins_map_name(i), .text = pins_map_text(i) };
		uint32_t n = sizeof(info);
		const char *type;

		if (in->map[i] < 0)
			continue;
		if (bpf_obj_get_info_by_fd(in->map[i], &info, &n) < 0)
			return -errno;
		type = libbpf_bpf_map_type_str(info.type);
		m.id = info.id;
		m.type = info.type;
		m.type_name = type ? type : "unknown";
		m.key_size = info.key_size;
		m.value_size = info.value_size;
		m.max_entries = info.max_entries;
		m.entries = count_entries(in->map[i], &info);
		m.bytes = kernel_bytes(in->map[i]);
		r = fn(ctx, &m);
	}
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a cgroup's path says, as engines write it and as somebody would forge it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "identity/place.h"

#define ID    "4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be4f2d8c1a90be0123"
#define OTHER "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define UID   "3f6e2b1c-58f2-4b0e-9a55-0d6a0c6f7e21"
#define UID_  "3f6e2b1c_58f2_4b0e_9a55_0d6a0c6f7e21"

struct example {
	const char *path, *unit, *user_unit, *container;
	enum place_runtime runtime;
	const char *pod;
	bool nested;
};

static void check(const struct example *e)
{
	struct place p;

	place_of(slice_str(e->path), &p);
	if (!slice_eq(p.unit, slice_str(e->unit)) ||
	    !slice_eq(p.user_unit, slice_str(e->user_unit)) ||
	    !slice_eq(p.container, slice_str(e->container)) || p.runtime != e->runtime ||
	    strcmp(p.pod_uid, e->pod) != 0 || p.nested != e->nested)
		fail_msg("%s: unit " SLICE_FMT ", user's " SLICE_FMT ", container %s " SLICE_FMT
			 ", pod %s%s",
			 e->path, SLICE_ARG(p.unit), SLICE_ARG(p.user_unit),
			 place_runtime_name(p.runtime), SLICE_ARG(p.container), p.pod_uid,
			 p.nested ? ", nested" : "");
}

#define CHECK(list)                                                                                \
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)                                              \
	check(&(list)[i])

static void units(void **state)
{
	static const struct example list[] = {
		{ "", "", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/", "", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/init.scope", "init.scope", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/system.slice/ssh.service", "ssh.service", "", "", PLACE_RUNTIME_NONE, "",
		  false },
		{ "/system.slice/system-worker.slice/worker@a\\x2db.service",
		  "worker@a\\x2db.service", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/user.slice/user-1000.slice/session-3.scope", "session-3.scope", "", "",
		  PLACE_RUNTIME_NONE, "", false },
		{ "/user.slice/user-1000.slice/user@1000.service/app.slice/agent.service",
		  "user@1000.service", "agent.service", "", PLACE_RUNTIME_NONE, "", false },
		{ "/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service",
		  "init.scope", "", PLACE_RUNTIME_NONE, "", false },
		/* systemd escapes names that the kernel could take for its own files */
		{ "/system.slice/_cgroup.procs.service", "cgroup.procs.service", "", "",
		  PLACE_RUNTIME_NONE, "", false },
		/* a delegated service may make what it likes below */
		{ "/system.slice/app.service/ssh.service", "app.service", "", "",
		  PLACE_RUNTIME_NONE, "", false },
		{ "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service/ssh.service",
		  "user@1000.service", "x.service", "", PLACE_RUNTIME_NONE, "", false },
		{ "/user.slice/user-1000.slice/user@x.service/a.service", "user@x.service", "", "",
		  PLACE_RUNTIME_NONE, "", false },
		{ "/made/ssh.service", "", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/system.slice", "", "", "", PLACE_RUNTIME_NONE, "", false },
	};

	(void)state;
	CHECK(list);
}

static void containers(void **state)
{
	static const struct example list[] = {
		{ "/system.slice/docker-" ID ".scope", "docker-" ID ".scope", "", ID,
		  PLACE_RUNTIME_DOCKER, "", false },
		{ "/docker/" ID, "", "", ID, PLACE_RUNTIME_DOCKER, "", false },
		{ "/docker/" ID "/init", "", "", ID, PLACE_RUNTIME_DOCKER, "", false },
		{ "/agents.slice/docker-" ID ".scope/x", "docker-" ID ".scope", "", ID,
		  PLACE_RUNTIME_DOCKER, "", false },
		{ "/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope", "", ID,
		  PLACE_RUNTIME_PODMAN, "", false },
		{ "/libpod_parent/libpod-" ID, "", "", ID, PLACE_RUNTIME_PODMAN, "", false },
		{ "/system.slice/nerdctl-" ID ".scope", "nerdctl-" ID ".scope", "", ID,
		  PLACE_RUNTIME_CONTAINERD, "", false },
		/* not the container, but its helper */
		{ "/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", "", "",
		  PLACE_RUNTIME_NONE, "", false },
	};

	(void)state;
	CHECK(list);
}

static void pods(void **state)
{
	static const struct example list[] = {
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
		  ".slice/cri-containerd-" ID ".scope",
		  "cri-containerd-" ID ".scope", "", ID, PLACE_RUNTIME_CONTAINERD, UID, false },
		{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope",
		  "crio-" ID ".scope", "", ID, PLACE_RUNTIME_CRIO, UID, false },
		{ "/kubepods/burstable/pod" UID "/" ID, "", "", ID, PLACE_RUNTIME_CONTAINERD, UID,
		  false },
		{ "/kubepods/pod" UID "/crio-" ID, "", "", ID, PLACE_RUNTIME_CRIO, UID, false },
		{ "/kubepods/besteffort/pod0123456789abcdef0123456789abcdef/" ID, "", "", ID,
		  PLACE_RUNTIME_CONTAINERD, "0123456789abcdef0123456789abcdef", false },
		/* the pod's own processes, before there is a container */
		{ "/kubepods/burstable/pod" UID, "", "", "", 0, UID, false },
		/* no uid */
		{ "/kubepods/burstable/podxyz/" ID, "", "", "", PLACE_RUNTIME_NONE, "", false },
	};

	(void)state;
	CHECK(list);
}

static void what_anybody_could_have_made_is_nested(void **state)
{
	static const struct example list[] = {
		{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope",
		  "user@1000.service", "libpod-" ID ".scope", ID, PLACE_RUNTIME_PODMAN, "", true },
		{ "/system.slice/web.service/docker-" ID ".scope", "web.service", "", ID,
		  PLACE_RUNTIME_DOCKER, "", true },
		{ "/system.slice/web.service/docker/" ID, "web.service", "", ID,
		  PLACE_RUNTIME_DOCKER, "", true },
		{ "/egret/run/a/1/docker/" ID, "", "", ID, PLACE_RUNTIME_DOCKER, "", true },
		{ "/system.slice/web.service/kubepods/pod" UID "/" ID, "web.service", "", ID,
		  PLACE_RUNTIME_CONTAINERD, UID, true },
		/* inside a container: the outer one, honestly made */
		{ "/docker/" ID "/docker/" OTHER, "", "", ID, PLACE_RUNTIME_DOCKER, "", false },
		{ "/system.slice/docker-" ID ".scope/kubepods/pod" UID "/" OTHER,
		  "docker-" ID ".scope", "", ID, PLACE_RUNTIME_DOCKER, "", false },
	};

	(void)state;
	CHECK(list);
}

static void what_only_looks_alike_is_nothing(void **state)
{
	static const struct example list[] = {
		{ "/docker/" ID "0", "", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/docker/4F2D8C1A90BE4F2D8C1A90BE4F2D8C1A90BE4F2D8C1A90BE4F2D8C1A90BE0123", "",
		  "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/docker/4f2d8c1a90be", "", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/dockers/" ID, "", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/" ID, "", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/system.slice/docker-" ID ".service", "docker-" ID ".service", "", "",
		  PLACE_RUNTIME_NONE, "", false },
		{ "//docker//" ID "//", "", "", ID, PLACE_RUNTIME_DOCKER, "", false },
		{ "/.service", ".service", "", "", PLACE_RUNTIME_NONE, "", false },
		{ "/_", "", "", "", PLACE_RUNTIME_NONE, "", false },
	};

	(void)state;
	CHECK(list);
}

static void runtimes_have_names(void **state)
{
	(void)state;
	for (int r = PLACE_RUNTIME_DOCKER; r <= PLACE_RUNTIME_PODMAN; r++)
		assert_int_equal(
			place_runtime_of(slice_str(place_runtime_name((enum place_runtime)r))), r);
	assert_int_equal(place_runtime_of(SLICE("")), PLACE_RUNTIME_NONE);
	assert_int_equal(place_runtime_of(SLICE("Docker")), PLACE_RUNTIME_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units),
		cmocka_unit_test(containers),
		cmocka_unit_test(pods),
		cmocka_unit_test(what_anybody_could_have_made_is_nested),
		cmocka_unit_test(what_only_looks_alike_is_nothing),
		cmocka_unit_test(runtimes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

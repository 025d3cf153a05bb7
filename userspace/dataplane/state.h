/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct dataplane. Private to dataplane/. */
#pragma once

#include "dataplane/dataplane.h"
#include "dataplane/pins.h"

struct egret_bpf;
struct ring_buffer;
struct veth;

struct dataplane {
	struct inspect in; /* fds of what is attached; maps also before anything is */
	struct egret_bpf *skel; /* this build's programs, loaded */
	struct ring_buffer *events;
	int lock_fd;
	int cgroup_fd;
	unsigned n_new_maps;
	bool adopted;
	struct veth *veths; /* devices with the backstop */
	unsigned n_veths;
	char cgroup[4096];
	char pins[4096];
	/* During dataplane_events_drain() only. */
	dataplane_event_fn event_fn;
	void *event_ctx;
	unsigned event_n, event_max;
};

/* Opens the ring buffer's reader; once, after loading. */
int dataplane_events_open(struct dataplane *dp) _must_check_;
/* Listeners of an earlier daemon are gone, also where its map says otherwise. */
int dataplane_netns_forget_all(struct dataplane *dp) _must_check_;
/* Likewise what namespaces' own resolvers were: nobody has looked at them since. */
int dataplane_own_dns_forget_all(struct dataplane *dp) _must_check_;
/* endpoint_key() with this dataplane's NAT64 prefix. */
int dataplane_endpoint_key(const struct dataplane *dp, const struct eg_endpoint_key *in,
			   struct eg_endpoint_key *ret) _must_check_;

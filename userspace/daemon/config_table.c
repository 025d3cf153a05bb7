/* SPDX-License-Identifier: Apache-2.0 */
/* Every key of the configuration. The order is that of the printed default file. */
#include "daemon/config_table.h"

#include <stddef.h>

#include "egret/names.h"

#define FIELD(name) offsetof(struct config, name)
#define MIB	    (1024ull * 1024)
#define HOUR_MS	    3600000ull

/* clang-format off */
const struct config_key config_keys[] = {
	{ "cgroup", CONFIG_PATH, FIELD(cgroup), "\"\"", 0, 0, NULL, false,
	  "Directory of the cgroup v2 that is enforced, with everything below it. Empty: the root of "
	  "the cgroup2 mount, the only choice that no process can leave." },
	{ "run_dir", CONFIG_PATH, FIELD(run_dir), "\"" EG_RUN_DIR "\"", 1, 0, NULL, false,
	  "Control socket, pins, CA bundle: what does not outlive a boot." },
	{ "state_dir", CONFIG_PATH, FIELD(state_dir), "\"" EG_STATE_DIR "\"", 1, 0, NULL, false,
	  "CA, audit store, last known addresses: what does." },
	{ "policy", CONFIG_PATH, FIELD(policy), "\"" EG_POLICY_FILE "\"", 1, 0, NULL, true,
	  "Policy file. Where it is missing, the built-in policy applies, which allows nothing unknown." },
	{ "catalogue", CONFIG_LIST, FIELD(catalogue), "[]", 0, 0, NULL, true,
	  "Files with providers to add to the built-in catalogue, or to replace in it." },
	{ "credentials_dir", CONFIG_PATH, FIELD(credentials_dir), "\"" EG_CONFIG_DIR "/credentials\"", 1, 0, NULL, true,
	  "Where keys lie. A file PROVIDER (\"openai\") is that provider's key, PROVIDER.NAME (\"openai.research\") "
	  "a further one that rules name whole; both need no entry in "
	  "`credentials`; other files are named there." },
	{ "credentials", CONFIG_CREDENTIALS, FIELD(credentials), "[]", 0, 0, NULL, true,
	  "Provider keys: {\"id\", \"provider\"} and one of \"file\" (root's, mode 0600), \"systemd\" (name of a "
	  "systemd credential) or \"command\" (words; its output is the key)." },
	{ "control_group", CONFIG_NAME, FIELD(control_group), "\"egret\"", 0, 0, NULL, true,
	  "Group whose members may look (status, flows, audit). Empty: root alone." },
	{ "run", CONFIG_RUN, FIELD(run), "[]", 0, 0, NULL, true,
	  "Who besides root may use `egret run`: {\"user\" or \"group\", \"workloads\": [names, or \"*\"]}. "
	  "A process that is a workload by its cgroup cannot make itself another." },
	{ "containers.sockets", CONFIG_LIST, FIELD(engine_sockets), "[]", 0, 0, NULL, false,
	  "Sockets of container engines (\"/run/docker.sock\", \"/run/podman/podman.sock\") that are asked for image "
	  "and labels of a container, where workloads match by these. Whoever answers there is believed." },
	{ "workers", CONFIG_NUMBER, FIELD(workers), "0", 0, 256, NULL, false,
	  "Worker processes. 0: one a CPU." },
	{ "drain_ms", CONFIG_NUMBER, FIELD(drain_ms), "86400000", 0, 7 * 24 * HOUR_MS, NULL, true,
	  "After an upgrade: how long workers of the version before may take to end the streams that they carry." },
	{ "log.level", CONFIG_CHOICE, FIELD(log_level), "\"info\"", 0, 0, "error warn info debug", true,
	  "Least important line that is written. `egret log level` changes it until the next reload, upgrade or start." },
	{ "log.format", CONFIG_CHOICE, FIELD(log_format), "\"text\"", 0, 0, "text json", false,
	  "Form of a line." },
	{ "resolvers", CONFIG_SERVERS, FIELD(resolvers), "[]", 0, 0, NULL, false,
	  "DNS servers to ask for providers' addresses; their answers to workloads are believed, too, those from a "
	  "loopback address in egretd's own network namespace only. Empty: those of /etc/resolv.conf, which is watched." },
	{ "dns.trust", CONFIG_SERVERS, FIELD(dns_trust), "[]", 0, 0, NULL, true,
	  "Addresses whose DNS answers to workloads are believed, besides `resolvers` and those of "
	  "/etc/resolv.conf: addresses of governed names in them are governed from then on. A loopback address is "
	  "believed in egretd's own network namespace only: in others anybody may answer from it. What the "
	  "resolv.conf of a workload with a network namespace of its own names need not be listed, unless "
	  "its egress is denied: those only add to what is governed, there." },
	{ "upstream.trust", CONFIG_LIST, FIELD(upstream_trust), "[]", 0, 0, NULL, true,
	  "PEM files of authorities that providers' certificates may come from." },
	{ "upstream.system_trust", CONFIG_BOOL, FIELD(system_trust), "true", 0, 0, NULL, true,
	  "Also those of the system's store." },
	{ "upstream.allow", CONFIG_CIDRS, FIELD(upstream_allow), "[]", 0, 0, NULL, false,
	  "Private or otherwise special address ranges that a provider's name may resolve to." },
	{ "upstream.connect_ms", CONFIG_NUMBER, FIELD(connect_ms), "10000", 100, HOUR_MS, NULL, false,
	  "Resolving, connecting and TLS handshake with a provider, together." },
	{ "upstream.idle_ms", CONFIG_NUMBER, FIELD(upstream_idle_ms), "60000", 0, HOUR_MS, NULL, false,
	  "How long an idle connection to a provider is kept." },
	{ "upstream.idle_max", CONFIG_NUMBER, FIELD(upstream_idle_max), "256", 0, 65536, NULL, false,
	  "Idle connections to providers that a worker keeps in all." },
	{ "limits.connections", CONFIG_NUMBER, FIELD(connections), "10000", 16, 200000, NULL, false,
	  "Client connections of one worker; half of them for one cgroup, three quarters for all below one, seven "
	  "eighths while there is no other." },
	{ "limits.namespaces", CONFIG_NUMBER, FIELD(namespaces), "256", 0, 1024, NULL, false,
	  "Network namespaces besides the host's that are served, a quarter of them for one cgroup. Governed "
	  "connections from others are refused." },
	{ "limits.head_bytes", CONFIG_NUMBER, FIELD(head_bytes), "65536", 4096, MIB, NULL, false,
	  "Request line and header fields." },
	{ "limits.body_bytes", CONFIG_NUMBER, FIELD(body_bytes), "33554432", 1024, 1024 * MIB, NULL, false,
	  "Request body that is read to decide." },
	{ "limits.bodies_bytes", CONFIG_NUMBER, FIELD(bodies_bytes), "536870912", MIB, 1ull << 40, NULL, false,
	  "Memory of one worker for such bodies, a quarter of it for one cgroup." },
	{ "limits.buffer_bytes", CONFIG_NUMBER, FIELD(buffer_bytes), "65536", 16384, 16 * MIB, NULL, false,
	  "Bytes held for one connection and direction while the other side is slow." },
	{ "limits.hello_ms", CONFIG_NUMBER, FIELD(hello_ms), "10000", 100, HOUR_MS, NULL, false,
	  "For the TLS ClientHello to arrive." },
	{ "limits.handshake_ms", CONFIG_NUMBER, FIELD(handshake_ms), "10000", 100, HOUR_MS, NULL, false,
	  "For the client's TLS handshake." },
	{ "limits.head_ms", CONFIG_NUMBER, FIELD(head_ms), "10000", 100, HOUR_MS, NULL, false,
	  "For a request's head, from its first byte." },
	{ "limits.idle_ms", CONFIG_NUMBER, FIELD(idle_ms), "120000", 100, 24 * HOUR_MS, NULL, false,
	  "Between two requests of one connection." },
	{ "limits.body_ms", CONFIG_NUMBER, FIELD(body_ms), "30000", 100, HOUR_MS, NULL, false,
	  "Without a byte of a request body; and all that it may take beyond a second for each 64 KiB." },
	{ "limits.first_byte_ms", CONFIG_NUMBER, FIELD(first_byte_ms), "600000", 1000, 24 * HOUR_MS, NULL, false,
	  "For a provider's answer to begin. A stream that has begun has no limit." },
	{ "limits.stall_ms", CONFIG_NUMBER, FIELD(stall_ms), "600000", 1000, 24 * HOUR_MS, NULL, false,
	  "For a client to take a byte more of an answer that waits for it." },
	{ "ca.days", CONFIG_NUMBER, FIELD(ca_days), "1825", 1, 3650, NULL, false,
	  "Life of egret's certificate authority." },
	{ "ca.overlap_days", CONFIG_NUMBER, FIELD(overlap_days), "7", 0, 365, NULL, false,
	  "How long the authority before a new one goes on signing for names it knows, so that programs "
	  "that trust only it go on." },
	{ "ca.leaf_hours", CONFIG_NUMBER, FIELD(leaf_hours), "24", 1, 24, NULL, false,
	  "Life of a certificate shown to clients." },
	{ "credential.lease_ms", CONFIG_NUMBER, FIELD(lease_ms), "300000", 1000, HOUR_MS, NULL, false,
	  "How long a worker may hold a provider key before it asks again." },
	{ "audit.keep_days", CONFIG_NUMBER, FIELD(keep_days), "90", 0, 36500, NULL, false,
	  "Records older than that are removed. 0: never." },
	{ "audit.max_bytes", CONFIG_NUMBER, FIELD(audit_max_bytes), "0", 0, 1ull << 50, NULL, false,
	  "Size at which the oldest records are removed. 0: unbounded." },
	{ "audit.commit_ms", CONFIG_NUMBER, FIELD(commit_ms), "100", 1, 10000, NULL, false,
	  "Records are written together at most that late." },
	{ "ports", CONFIG_PORTS, FIELD(ports), "[]", 0, 0, NULL, false,
	  "TCP ports of governed endpoints that are served besides 443, at most 7." },
	{ "nat64", CONFIG_NAT64, FIELD(nat64), "\"\"", 0, 0, NULL, false,
	  "The site's own NAT64 prefix (RFC 6052), as \"2001:db8:64::/96\"." },
	{ "allow_raw", CONFIG_BOOL, FIELD(allow_raw), "false", 0, 0, NULL, false,
	  "Let raw sockets and other protocols be created; packets to governed addresses are still dropped." },
	{ "users.worker", CONFIG_NAME, FIELD(user_worker), "\"" EG_USER_WORKER "\"", 1, 0, NULL, false,
	  "User of the workers." },
	{ "users.vault", CONFIG_NAME, FIELD(user_vault), "\"" EG_USER_VAULT "\"", 1, 0, NULL, false,
	  "User of the vault." },
	{ "users.recorder", CONFIG_NAME, FIELD(user_recorder), "\"" EG_USER_RECORDER "\"", 1, 0, NULL, false,
	  "User of the recorder." },
	{ "users.bpffs", CONFIG_NAME, FIELD(user_bpffs), "\"" EG_USER_VAULT "\"", 1, 0, NULL, false,
	  "Owner of the directory with the pins: never root, so that root of a user namespace cannot remove them." },
};
/* clang-format on */

const size_t config_n_keys = sizeof(config_keys) / sizeof(config_keys[0]);

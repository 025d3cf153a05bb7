/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/advice.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "control/rows.h"
#include "policy/modes.h"

#define NAME_SHOWN_MAX 100 /* in an entry, so that the advice fits */

const char *advice_reason(enum eg_reason reason)
{
	switch (reason) {
	case EG_REASON_k_veth:
		return "a raw socket, or traffic forwarded or rewritten in the namespace: find its "
		       "sender "
		       "there";
	case EG_REASON_k_port:
		return "use https on port 443, or add the port to `ports` in egret.json";
	case EG_REASON_k_udp:
		return "nothing to do: the client falls back to TCP";
	case EG_REASON_k_quic:
		return "nothing to do: the client falls back to TCP, where the server name is read";
	case EG_REASON_k_egress_denied:
		return "add the address, or the name it was resolved from, to the workload's "
		       "allow-list";
	case EG_REASON_k_tripwire:
		return "nothing of it was sent; the client's next attempt goes through egret";
	case EG_REASON_k_hello:
		return "nothing of it was sent; egret reads it at the client's next attempt; if it "
		       "recurs, set \"capture\": \"tls\" for the workload";
	case EG_REASON_k_ech:
		return "clients that use them are refused: switch ECH off in the client, or let "
		       "the resolver leave them out of HTTPS records";
	case EG_REASON_k_protocol:
		return "use TCP; raw sockets can be let through with `allow_raw` in egret.json";
	case EG_REASON_k_bound_device:
		return "do not bind the socket to a device";
	case EG_REASON_k_packet:
		return "connections made before egret started must be made again";
	case EG_REASON_k_storage:
		return "the kernel is short of memory: free some";
	case EG_REASON_tls_untrusted:
		return "run it with `egret run`, or set the variables that `egret ca export` names";
	default:
		return "";
	}
}

/* Letters, digits, '-', '_' and '.' as they are, everything else as '?'. */
static void read_name(const struct eg_event *e, char to[EG_EVENT_NAME + 1])
{
	size_t i;

	for (i = 0; i < EG_EVENT_NAME && e->name[i]; i++) {
		char c = e->name[i];
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
				c == '_' || c == '.';

		to[i] = is_plain ? c : '?';
	}
	to[i] = '\0';
}

/* As an allow-list has it: what has no port can only be allowed with every port. */
static void entry_of(const struct eg_flow *f, char *to, size_t n)
{
	bool has_port = f->dport && (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP);
	char address[INET6_ADDRSTRLEN];

	rows_address(&f->dst, address, sizeof(address));
	if (has_port)
		(void)snprintf(to, n, strchr(address, ':') ? "[%s]:%u/%s" : "%s:%u/%s", address,
			       f->dport, f->proto == IPPROTO_TCP ? "tcp" : "udp");
	else
		(void)snprintf(to, n, "%s", address);
}

/* A name is good for an entry when policy takes it for one, and it leaves room for the rest. */
static bool is_entry(const char *name)
{
	struct policy_allow a;
	const char *why;

	return strlen(name) <= NAME_SHOWN_MAX && !strpbrk(name, "?_") &&
	       policy_allow_read(slice_str(name), &a, &why) == 0 && a.name.n == strlen(name);
}

static void advise_denied(const struct eg_event *e, const char *name, char *to, size_t n)
{
	bool has_port =
		e->flow.dport && (e->flow.proto == IPPROTO_TCP || e->flow.proto == IPPROTO_UDP);
	char entry[INET6_ADDRSTRLEN + 16];

	entry_of(&e->flow, entry, sizeof(entry));
	if (has_port && is_entry(name))
		(void)snprintf(to, n,
			       "if it should, add \"%s:%u/%s\" (or \"%s\") to "
			       "\"egress\".\"allow\" of the workload",
			       name, e->flow.dport, e->flow.proto == IPPROTO_TCP ? "tcp" : "udp",
			       entry);
	else
		(void)snprintf(to, n,
			       "if it should, add \"%s\" to \"egress\".\"allow\" of the workload",
			       entry);
}

void advice_event(const struct eg_event *e, char *to, size_t n)
{
	char name[EG_EVENT_NAME + 1];

	read_name(e, name);
	if (e->reason == EG_REASON_k_egress_denied)
		advise_denied(e, name, to, n);
	else if (name[0])
		(void)snprintf(to, n, "%s: %s", name, advice_reason((enum eg_reason)e->reason));
	else
		(void)snprintf(to, n, "%s", advice_reason((enum eg_reason)e->reason));
}

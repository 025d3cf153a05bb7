/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every reason egret gives for a decision, in one list: name, HTTP status the client sees (0: none
 * is sent, the connection ends instead), errno a socket call gets from the kernel (0: not decided
 * there), text for people. `allowed` is the only one that is not a denial.
 *
 * Texts name the cause; what to do about it is added where the object is known. Names are stable:
 * they are written to the audit log and matched by scripts. Append, never renumber.
 * A policy denial is 403 and never 5xx: agents retry 5xx in storms (429 too).
 */
#pragma once

#define EG_REASONS(X)                                                                              \
	X(allowed, 0, 0, "allowed by policy")                                                      \
	/* policy */                                                                               \
	X(no_rule, 403, 0, "no policy rule allows this request")                                   \
	X(denied_by_rule, 403, 0, "a policy rule denies this request")                             \
	X(unknown_workload, 403, 0, "this process belongs to no workload in the policy")           \
	X(model_missing, 403, 0, "the request names no model, and policy needs one to decide")     \
	X(direct_key, 403, 0, "the request carries a provider key of its own")                     \
	X(unknown_operation, 403, 0, "this path is not an operation the provider catalogue knows") \
	X(exe_mismatch, 403, 0, "the program file is not the one the policy names, or it changed") \
	/* egret cannot serve */                                                                   \
	X(no_credential, 403, 0, "egret holds no credential for this provider and rule")           \
	X(credential_unavailable, 403, 0, "the credential could not be read from its source")      \
	X(audit_unavailable, 403, 0, "the audit log cannot take a record, so nothing is served")   \
	X(identity_unavailable, 403, 0, "the caller could not be identified")                      \
	X(overloaded, 403, 0, "egret is at a configured limit")                                    \
	/* the request itself */                                                                   \
	X(bad_request, 400, 0, "the HTTP request is malformed or ambiguous")                       \
	X(host_mismatch, 403, 0, "the Host header differs from the TLS server name")               \
	X(headers_too_large, 431, 0, "the request headers exceed the configured limit")            \
	X(body_too_large, 413, 0, "the request body exceeds the configured limit")                 \
	X(upgrade_refused, 426, 0, "protocol upgrades are not served here; use plain HTTP")        \
	X(body_encoding, 415, 0, "the request body is compressed; send it uncompressed")           \
	X(body_type, 415, 0, "the request body is not of the type this operation takes")           \
	X(body_malformed, 400, 0, "the request body is not valid JSON in UTF-8")                   \
	X(body_too_deep, 400, 0, "the request body is nested too deeply")                          \
	X(body_duplicate_key, 400, 0, "the request body repeats a key that policy governs")        \
	X(body_escaped_key, 400, 0, "the request body spells a governed key in another way")       \
	X(body_bad_value, 400, 0, "a governed value in the request body has the wrong type")       \
	X(header_timeout, 408, 0, "the request head did not arrive in time")                       \
	X(body_timeout, 408, 0, "the request body stopped arriving")                               \
	/* the connection */                                                                       \
	X(no_flow, 0, 0, "the connection carries no flow record from the kernel")                  \
	X(not_tls, 0, 0, "the connection does not begin with a TLS ClientHello")                   \
	X(hello_malformed, 0, 0, "the TLS ClientHello is malformed")                               \
	X(hello_too_large, 0, 0, "the TLS ClientHello exceeds 64 KiB")                             \
	X(hello_timeout, 0, 0, "no complete TLS ClientHello arrived within 10 seconds")            \
	X(no_sni, 0, 0, "the TLS ClientHello names no server, so nothing can be decided")          \
	X(tls_untrusted, 0, 0, "the client does not trust egret's certificate authority")          \
	X(tls_failed, 0, 0, "the TLS handshake with the client failed")                            \
	X(mint_failed, 0, 0, "no certificate could be minted for this name")                       \
	X(client_gone, 0, 0, "the client went away before the answer was complete")                \
	/* upstream */                                                                             \
	X(upstream_unresolved, 502, 0, "the provider's name could not be resolved")                \
	X(upstream_refused_address, 403, 0,                                                        \
	  "the provider's name resolves to a refused address range")                               \
	X(upstream_unreachable, 502, 0, "no connection to the provider could be made")             \
	X(upstream_untrusted, 502, 0, "the provider's certificate could not be verified")          \
	X(upstream_bad_response, 502, 0, "the provider's answer is not valid HTTP")                \
	X(upstream_closed, 502, 0, "the provider closed the connection before answering")          \
	X(upstream_timeout, 504, 0, "the provider did not answer in time")                         \
	X(upstream_cut, 0, 0, "the provider's answer broke off before its end")                    \
	X(credential_refused, 403, 0, "the provider refused egret's credential")                   \
	/* egret's own life */                                                                     \
	X(worker_died, 0, 0, "the worker process serving this request died")                       \
	X(shutting_down, 403, 0, "egret is shutting down")                                         \
	/* the kernel */                                                                           \
	X(k_no_listener, 0, 111, "no egret listener in this network namespace")                    \
	X(k_port, 0, 111, "only HTTPS (TCP port 443) to a governed endpoint is served")            \
	X(k_udp, 0, 111, "UDP (QUIC) to a governed endpoint is refused; clients fall back to TCP") \
	X(k_proxy_port, 0, 111, "connecting to egret's own listener is refused")                   \
	X(k_bind_proxy_port, 0, 13, "binding egret's port is refused")                             \
	X(k_kthread, 0, 111, "a connection by a kernel thread has no principal")                   \
	X(k_storage, 0, 111, "the kernel had no memory for a flow record")                         \
	X(k_bound_device, 0, 101, "a socket bound to a device cannot be redirected")               \
	X(k_protocol, 0, 93, "this socket type or protocol is refused for enforced cgroups")       \
	X(k_sockopt, 0, 1, "source routing and TCP repair are refused for enforced cgroups")       \
	X(k_packet, 0, 1, "a packet to a governed endpoint outside egret was dropped")             \
	X(k_veth, 0, 0,                                                                            \
	  "a packet from a workload's network namespace to a governed endpoint was dropped")       \
	X(k_egress_denied, 0, 111, "policy denies this workload what is not on its list")          \
	X(k_quic, 0, 111, "UDP port 443 (QUIC) is refused where TLS is captured; use TCP")         \
	X(k_tripwire, 0, 103, "a governed server name was sent to an address nobody knew")         \
	X(k_hello, 0, 103, "a TLS ClientHello could not be read on its way to an unknown address") \
	X(k_ech, 0, 0, "a DNS answer offers keys (ECH) that would hide a governed server name")    \
	/* what is passed through */                                                               \
	X(not_passed, 0, 0, "egret passes this connection on to nobody")

enum eg_reason {
#define X(name, status, error, text) EG_REASON_##name,
	EG_REASONS(X)
#undef X
		EG_REASON_COUNT
};

/* SPDX-License-Identifier: Apache-2.0 */
/* What changes under running connections: policy, credentials, the vault itself. */
#include "proxy/lease.h"
#include "tests/unit/proxy/each.h"

#define APP "{ \"workloads\": { \"app\": { \"match\": [{ \"user\": \"root\" }] } }, \"rules\": ["

static const char nothing_allowed[] = APP "] }";
static const char other_credential[] =
	APP "{ \"id\": \"second\", \"when\": { \"workload\": \"app\" },"
	    "  \"allow\": { \"credential\": \"openai-second\" } } ] }";

static void call(const char *status)
{
	rig_forget(&c);
	rig_forget(&u);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	if (!u.ssl)
		rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_answer(&u, &c);
	assert_int_equal(strncmp(c.text, status, strlen(status)), 0);
}

static void new_policy_counts_for_the_next_request(void **state)
{
	struct eg_record rec;

	(void)state;
	u.ssl = NULL;
	rig_open(&rig, &c);
	call("HTTP/1.1 200");
	assert_int_equal(rig_record(&rig).generation, 1);
	rig_set_policy(&rig, nothing_allowed);
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_until(&c, "egret-reason: no_rule");
	rec = rig_record(&rig);
	assert_int_equal(rec.generation, 2);
	assert_int_equal(rig.attested, 2); /* matched anew */
	rig_close(&c);
	rig_close(&u);
}

static void in_flight_ends_under_the_old_policy(void **state)
{
	struct eg_record rec;

	(void)state;
	rig_open(&rig, &c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_set_policy(&rig, nothing_allowed);
	rig_answer(&u, &c);
	rec = rig_record(&rig);
	assert_int_equal(rec.generation, 1);
	assert_string_equal(rec.rule, "mini");
	assert_int_equal(rec.end, EG_REASON_allowed);
	rig_close(&c);
	rig_close(&u);
}

/* Under the one in force when its head was taken. */
static void half_a_body_is_decided_under_one_policy(void **state)
{
	(void)state;
	rig_open(&rig, &c);
	rig_send(&c, "POST " RIG_CHAT " HTTP/1.1\r\nhost: " RIG_HOST
		     "\r\ncontent-length: 52\r\nexpect: 100-continue\r\n\r\n");
	rig_until(&c, "100 Continue\r\n\r\n");
	rig_send(&c, "{\"model\":\"gpt-4o-mini\"");
	rig_set_policy(&rig, nothing_allowed);
	rig_set_policy(&rig, other_credential);
	rig_send(&c, ",\"max_tokens\":5,\"messages\":[]}");
	rig_accept(&rig, &u);
	rig_until(&u, RIG_BODY);
	rig_answer(&u, &c);
	assert_int_equal(rig_record(&rig).generation, 1);
	rig_close(&c);
	rig_close(&u);
}

static void other_credential_other_connection(void **state)
{
	static struct rig_end second;

	(void)state;
	u.ssl = NULL;
	rig_open(&rig, &c);
	call("HTTP/1.1 200");
	(void)rig_record(&rig);
	rig_set_policy(&rig, other_credential);
	rig_forget(&c);
	rig_post(&c, RIG_CHAT, "", RIG_BODY);
	rig_accept(&rig, &second);
	rig_until(&second, RIG_BODY);
	rig_answer(&second, &c);
	assert_string_equal(rig_record(&rig).credential, "openai-second");
	rig_close(&c);
	rig_close(&u);
	rig_close(&second);
}

static void send_revoke(void *arg)
{
	struct eg_revoke r = { .generation = *(uint32_t *)arg };

	assert_int_equal(channel_send(rig.vault, EG_MSG_revoke, &r, sizeof(r), NULL, 0), 0);
}

static void leases_held(void *arg)
{
	*(size_t *)arg = lease_count(rig.w->leases);
}

static void wait_for_leases(size_t want)
{
	size_t n = want + 1;

	for (int i = 0; i < RIG_LIMIT_S * 1000 && n != want; i++) {
		struct pollfd none = { .fd = -1 };

		(void)poll(&none, 1, 1);
		rig_do(&rig.at_worker, leases_held, &n);
	}
	assert_int_equal(n, want);
}

static void rotation_ends_lease_and_connection(void **state)
{
	uint32_t generation = 2;

	(void)state;
	u.ssl = NULL;
	rig_open(&rig, &c);
	call("HTTP/1.1 200");
	(void)rig_record(&rig);
	wait_for_leases(1);
	rig.lease_generation = 2;
	rig_do(&rig.at_peers, send_revoke, &generation);
	wait_for_leases(0);
	(void)rig_ended(&u); /* it carried the old key */
	rig_close(&u);
	u.ssl = NULL;
	call("HTTP/1.1 200");
	(void)rig_record(&rig);
	assert_int_equal(rig.leased, 2);
	/* one that is new enough stays */
	rig_do(&rig.at_peers, send_revoke, &generation);
	call("HTTP/1.1 200");
	(void)rig_record(&rig);
	assert_int_equal(rig.leased, 2);
	rig_close(&c);
	rig_close(&u);
}

static void lease_ends_by_itself(void **state)
{
	(void)state;
	u.ssl = NULL;
	rig.lease_ttl_ms = 30;
	rig_open(&rig, &c);
	call("HTTP/1.1 200");
	(void)rig_record(&rig);
	wait_for_leases(0);
	call("HTTP/1.1 200");
	(void)rig_record(&rig);
	assert_int_equal(rig.leased, 2);
	rig_close(&c);
	rig_close(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_policy_counts_for_the_next_request),
		cmocka_unit_test(in_flight_ends_under_the_old_policy),
		cmocka_unit_test(half_a_body_is_decided_under_one_policy),
		cmocka_unit_test(other_credential_other_connection),
		cmocka_unit_test(rotation_ends_lease_and_connection),
		cmocka_unit_test(lease_ends_by_itself),
	};

	return EACH_RUN(tests);
}

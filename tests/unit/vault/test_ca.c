/* SPDX-License-Identifier: Apache-2.0 */
/* The CA and its leaves, judged by OpenSSL's verifier: the key of the CA must be worthless beyond
 * the governed names, whoever holds it. */
#include "pki.h"

#include "vault/ca.h"
#include "vault/keyfile.h"
#include "vault/mint.h"

#define GOVERNED "api.openai.com\0api.anthropic.com\0bedrock-runtime.*.amazonaws.com\0*.example.net"

struct fixture {
	struct ca *ca;
	EVP_PKEY *key; /* a worker's */
	unsigned char der[256];
	struct slice spki;
};

static struct ca *make_ca(struct slice governed, unsigned days)
{
	struct names *names = NULL;
	EVP_PKEY *key = NULL;
	struct ca *ca = NULL;

	assert_int_equal(keyfile_init(), 0);
	assert_int_equal(names_parse(governed, NULL, &names), 0);
	assert_int_equal(keyfile_make(&key), 0);
	assert_int_equal(ca_make(key, names, "host", NOW_US, days, &ca), 0);
	assert_non_null(ca->key);
	(void)names_free(names);
	return ca;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->ca = make_ca(SLICE(GOVERNED), 100);
	f->key = EVP_EC_gen("P-256");
	f->spki = spki_of(f->key, f->der, sizeof(f->der));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	(void)ca_free(f->ca);
	EVP_PKEY_free(f->key);
	free(f);
	return 0;
}

static int mint(struct fixture *f, const char *host, uint64_t now_us, X509 **ret)
{
	struct buf pem;
	int r;

	buf_init(&pem, 8192);
	r = mint_leaf(f->ca, slice_str(host), f->spki, 24, now_us, &pem);
	*ret = r == 0 ? read_pem(buf_slice(&pem)) : NULL;
	buf_release(&pem);
	return r;
}

static void governed_names_verify(void **state)
{
	static const char *const hosts[] = { "api.openai.com", "api.anthropic.com",
					     "bedrock-runtime.eu-west-1.amazonaws.com",
					     "a.example.net", "a.b.example.net" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		X509 *leaf;

		assert_int_equal(mint(f, hosts[i], NOW_US, &leaf), 0);
		assert_non_null(leaf);
		assert_int_equal(verify(&f->ca->cert, 1, leaf, hosts[i], NOW_US), X509_V_OK);
		/* A client whose clock is four minutes behind. */
		assert_int_equal(verify(&f->ca->cert, 1, leaf, hosts[i], NOW_US - 240000000ull),
				 X509_V_OK);
		assert_int_equal(verify(&f->ca->cert, 1, leaf, hosts[i], NOW_US + DAY_US),
				 X509_V_ERR_CERT_HAS_EXPIRED);
		assert_int_equal(verify(&f->ca->cert, 1, leaf, "other.example.net", NOW_US),
				 X509_V_ERR_HOSTNAME_MISMATCH);
		X509_free(leaf);
	}
}

static void ungoverned_names_are_not_minted(void **state)
{
	static const char *const hosts[] = { "www.bank.com",	    "openai.com",
					     "evil-api.openai.com", "api.openai.com.evil.org",
					     "xexample.net",	    "com",
					     "amazonaws.org" };
	struct fixture *f = *state;
	X509 *leaf;

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		assert_int_equal(mint(f, hosts[i], NOW_US, &leaf), -EPERM);
}

static void bad_host_names_are_refused(void **state)
{
	static const char *const hosts[] = {
		"",
		".",
		"api.openai.com.",
		".api.openai.com",
		"api..openai.com",
		"*.example.net",
		"API.openai.com",
		"-a.example.net",
		"a-.example.net",
		"a b.example.net",
		"a.example.net,IP:1.2.3.4",
		"a\n.example.net",
		"127.0.0.1",
		"::1",
		"a_b.example.net",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.net",
	};
	struct fixture *f = *state;
	X509 *leaf;

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		assert_int_equal(mint(f, hosts[i], NOW_US, &leaf), -EINVAL);
	/* A NUL inside, which a careless client would take for the end. */
	{
		struct buf pem;

		buf_init(&pem, 8192);
		assert_int_equal(mint_leaf(f->ca, SLICE("a.example.net\0.x.example.net"), f->spki,
					   24, NOW_US, &pem),
				 -EINVAL);
		buf_release(&pem);
	}
}

static void long_host_has_critical_san(void **state)
{
	static const char host[] = "a23456789012345678901234567890.b23456789012345678901234567890."
				   "c234567890.example.net";
	struct fixture *f = *state;
	X509 *leaf;
	int critical = 0;
	GENERAL_NAMES *san;

	assert_int_equal(mint(f, host, NOW_US, &leaf), 0);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(leaf)), 0);
	san = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
	assert_int_equal(critical, 1);
	assert_int_equal(sk_GENERAL_NAME_num(san), 1);
	assert_int_equal(verify(&f->ca->cert, 1, leaf, host, NOW_US), X509_V_OK);
	GENERAL_NAMES_free(san);
	X509_free(leaf);
}

static void leaf_is_a_short_lived_server(void **state)
{
	struct fixture *f = *state;
	X509 *leaf, *other;
	int days, secs;

	assert_int_equal(mint(f, "api.openai.com", NOW_US, &leaf), 0);
	assert_int_equal(mint(f, "api.openai.com", NOW_US, &other), 0);
	assert_int_equal(
		ASN1_TIME_diff(&days, &secs, X509_get0_notBefore(leaf), X509_get0_notAfter(leaf)),
		1);
	assert_int_equal(days * 86400 + secs, 86400);
	assert_int_equal(X509_check_ca(leaf), 0);
	assert_int_equal(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
	assert_int_equal(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
	assert_true(EVP_PKEY_eq(X509_get0_pubkey(leaf), f->key) == 1);
	assert_true(ASN1_INTEGER_cmp(X509_get0_serialNumber(leaf), X509_get0_serialNumber(other)) !=
		    0);
	assert_non_null(X509_get0_authority_key_id(leaf));
	assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(leaf),
					       X509_get0_subject_key_id(f->ca->cert)),
			 0);
	X509_free(leaf);
	X509_free(other);
}

static void leaf_never_outlives_the_ca(void **state)
{
	struct fixture *f = *state;
	X509 *leaf;

	assert_int_equal(mint(f, "api.openai.com", f->ca->not_after_us - 3600000000ull, &leaf), 0);
	assert_int_equal(
		ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(f->ca->cert)), 0);
	X509_free(leaf);
	assert_int_equal(mint(f, "api.openai.com", f->ca->not_after_us, &leaf), -EPERM);
}

static void assert_key_refused(struct fixture *f, struct slice der)
{
	struct buf pem;

	buf_init(&pem, 8192);
	assert_int_equal(mint_leaf(f->ca, SLICE("api.openai.com"), der, 24, NOW_US, &pem),
			 -EBADMSG);
	assert_int_equal(buf_len(&pem), 0);
	buf_release(&pem);
}

static void only_p256_keys_are_signed(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *p384 = EVP_EC_gen("P-384"), *k1 = EVP_EC_gen("secp256k1"),
		 *rsa = EVP_RSA_gen(2048), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	unsigned char der[1024];

	assert_key_refused(f, spki_of(p384, der, sizeof(der)));
	assert_key_refused(f, spki_of(k1, der, sizeof(der)));
	assert_key_refused(f, spki_of(rsa, der, sizeof(der)));
	assert_key_refused(f, spki_of(ed, der, sizeof(der)));
	memcpy(der, f->spki.p, f->spki.n);
	assert_key_refused(f, slice_of(der, f->spki.n - 1));
	assert_key_refused(f, slice_of(der, f->spki.n + 1));
	assert_key_refused(f, slice_of(der, 0));
	der[f->spki.n - 1] ^= 1; /* off the curve */
	assert_key_refused(f, slice_of(der, f->spki.n));
	EVP_PKEY_free(p384);
	EVP_PKEY_free(k1);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ed);
}

/* ---- a thief of the CA's key, who signs what he likes ---- */

static X509 *forge(struct fixture *f, const char *cn, const char *san, const char *bc)
{
	X509 *cert = X509_new();

	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(X509_set_pubkey(cert, f->key), 1);
	assert_int_equal(ca_set_serial(cert), 0);
	assert_int_equal(ca_set_validity(cert, NOW_US - DAY_US, NOW_US + DAY_US), 0);
	assert_int_equal(X509_set_issuer_name(cert, X509_get_subject_name(f->ca->cert)), 1);
	assert_int_equal(X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName,
						    MBSTRING_ASC, (const unsigned char *)cn, -1, -1,
						    0),
			 1);
	if (san)
		assert_int_equal(
			ca_add_text_extension(cert, f->ca->cert, NID_subject_alt_name, san), 0);
	assert_int_equal(ca_add_text_extension(cert, f->ca->cert, NID_basic_constraints, bc), 0);
	assert_int_equal(
		ca_add_text_extension(cert, f->ca->cert, NID_subject_key_identifier, "hash"), 0);
	assert_int_equal(ca_add_text_extension(cert, f->ca->cert, NID_authority_key_identifier,
					       "keyid:always"),
			 0);
	assert_true(X509_sign(cert, f->ca->key, EVP_sha256()) > 0);
	return cert;
}

static void assert_forgery_fails(struct fixture *f, const char *cn, const char *san,
				 const char *host, int want)
{
	X509 *cert = forge(f, cn, san, "critical,CA:FALSE");

	assert_int_equal(verify(&f->ca->cert, 1, cert, host, NOW_US), want);
	X509_free(cert);
}

static void stolen_ca_key_is_worthless_elsewhere(void **state)
{
	struct fixture *f = *state;

	assert_forgery_fails(f, "x", "DNS:www.bank.com", "www.bank.com",
			     X509_V_ERR_PERMITTED_VIOLATION);
	assert_forgery_fails(f, "x", "DNS:api.openai.com,DNS:www.bank.com", "www.bank.com",
			     X509_V_ERR_PERMITTED_VIOLATION);
	assert_forgery_fails(f, "x", "DNS:*.bank.com", "www.bank.com",
			     X509_V_ERR_PERMITTED_VIOLATION);
	assert_forgery_fails(f, "x", "DNS:amazonaws.com.evil.org", "amazonaws.com.evil.org",
			     X509_V_ERR_PERMITTED_VIOLATION);
	assert_forgery_fails(f, "x", "DNS:api.openai.com,IP:192.0.2.1", "api.openai.com",
			     X509_V_ERR_EXCLUDED_VIOLATION);
	assert_forgery_fails(f, "x", "DNS:api.openai.com,IP:2001:db8::1", "api.openai.com",
			     X509_V_ERR_EXCLUDED_VIOLATION);
	/* Clients that fall back on the common name. */
	assert_forgery_fails(f, "www.bank.com", NULL, "www.bank.com",
			     X509_V_ERR_PERMITTED_VIOLATION);
}

static void no_intermediate_below_it(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *sub = forge(f, "sub", NULL, "critical,CA:TRUE"), *leaf;
	struct fixture below = { .ca = &(struct ca){ .key = f->key, .cert = sub }, .key = key };
	X509 *both[] = { f->ca->cert, sub };

	leaf = forge(&below, "x", "DNS:api.openai.com", "critical,CA:FALSE");
	assert_int_equal(verify(&f->ca->cert, 1, leaf, "api.openai.com", NOW_US),
			 X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	assert_true(verify(both, 2, leaf, "api.openai.com", NOW_US) != X509_V_OK);
	X509_free(leaf);
	X509_free(sub);
	EVP_PKEY_free(key);
}

static void constraints_are_critical_and_complete(void **state)
{
	struct fixture *f = *state;
	int critical = 0;
	NAME_CONSTRAINTS *nc = X509_get_ext_d2i(f->ca->cert, NID_name_constraints, &critical, NULL);

	assert_non_null(nc);
	assert_int_equal(critical, 1);
	assert_int_equal(sk_GENERAL_SUBTREE_num(nc->permittedSubtrees), 4);
	assert_int_equal(sk_GENERAL_SUBTREE_num(nc->excludedSubtrees), 2);
	assert_int_equal(X509_get_pathlen(f->ca->cert), 0);
	assert_int_equal(X509_get_key_usage(f->ca->cert), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	NAME_CONSTRAINTS_free(nc);
}

static void each_ca_has_its_own_subject(void **state)
{
	struct fixture *f = *state;
	struct ca *other = make_ca(SLICE(GOVERNED), 100);

	assert_true(X509_NAME_cmp(X509_get_subject_name(f->ca->cert),
				  X509_get_subject_name(other->cert)) != 0);
	(void)ca_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(governed_names_verify, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ungoverned_names_are_not_minted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_host_names_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_host_has_critical_san, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leaf_is_a_short_lived_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leaf_never_outlives_the_ca, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_p256_keys_are_signed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stolen_ca_key_is_worthless_elsewhere, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(no_intermediate_below_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(constraints_are_critical_and_complete, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(each_ca_has_its_own_subject, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

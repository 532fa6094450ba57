/* objects: oscore/option.o oscore/context.o oscore/derive.o oscore/unseal.o GROUP_OBJS tools/group_seal.o tools/group_derive.o tests/unit/group_world.o coap/message.o base/hash.o base/random.o base/log.o base/clock.o */
/*
 * The one vector of Group OSCORE's group mode that is published: every value of it, and that nothing else verifies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>

#include "oscore/group_aad.h"
#include "oscore/group_cipher.h"
#include "oscore/group_verify.h"
#include "tests/data/group-oscore-vectors.h"
#include "tests/unit/covers.h"
#include "tests/unit/group_world.h"
#include "tests/unit/hex.h"

/* The vector's group, as a member has it, and its response, as it came. */
struct vector {
	struct oscore_group group;
	struct oscore_group_member members[2];
	uint8_t private_key[GROUP_PRIVATE_KEY];
	struct oscore_group_request request;
	struct hex option, class_i, payload;
	struct oscore_group_message message;
	struct oscore_group_opener *opener;
	uint8_t bytes[256];
	struct msg_view inner;
};

static void vector_init(struct vector *v)
{
	struct oscore_master_key master;
	struct hex secret = hex_parse(vector_group.master_secret), salt = hex_parse(vector_group.master_salt), signature;
	struct hex request = hex_parse(vector_request.option);
	struct oscore_option option;
	size_t at;

	memset(v, 0, sizeof *v);
	group_of_the_vector(&v->group, v->members, v->private_key);
	master.len = secret.len;
	memcpy(master.bytes, secret.bytes, secret.len);
	assert_int_equal(group_derive(&v->group, &master, salt.bytes, salt.len), 0);
	assert_int_equal(oscore_group_prepare(&v->group, &at), OSCORE_GROUP_SOUND);
	/* The request is one of pairwise mode but for its key: its option has no Group Flag. */
	assert_int_equal(oscore_option_parse(&option, request.bytes, request.len, 0), 0);
	option.flags |= OSCORE_FLAG_GROUP;
	assert_int_equal(oscore_group_request_of(&v->request, &option), 0);
	v->option = hex_parse(vector_response.option);
	v->class_i = hex_parse(vector_response.class_i);
	v->payload = hex_parse(vector_response.ciphertext);
	signature = hex_parse(vector_response.encrypted_signature);
	memcpy(v->payload.bytes + v->payload.len, signature.bytes, signature.len);
	v->payload.len += signature.len;
	assert_int_equal(oscore_group_message_init(&v->message, v->option.bytes, v->option.len, v->payload.bytes, v->payload.len, &v->request), 0);
	v->message.class_i = v->class_i.bytes;
	v->message.class_i_len = v->class_i.len;
	v->opener = oscore_group_opener_new();
	assert_non_null(v->opener);
}

static void vector_fini(struct vector *v)
{
	oscore_group_opener_free(v->opener);
	oscore_group_wipe(&v->group);
}

static enum oscore_group_result vector_open(struct vector *v)
{
	memset(v->bytes, 0xa5, sizeof v->bytes);
	return oscore_group_open(v->opener, &v->group, &v->message, v->bytes, sizeof v->bytes, &v->inner);
}

/* True if nothing of the plaintext, not even its end, lies in the buffer. */
static bool holds_no_plaintext(const struct vector *v)
{
	struct hex plain = hex_parse(vector_response.plaintext);

	return memmem(v->bytes, sizeof v->bytes, plain.bytes + plain.len - 4, 4) == NULL && v->inner.len == 0;
}

static void keys_are_derived(void **state)
{
	struct vector v;

	(void)state;
	covers("D-GRP-2.1-3 D-GRP-2.3-1");
	vector_init(&v);
	assert_true(hex_equal("server key", vector_group.server_key, v.members[0].key.bytes, 16));
	assert_true(hex_equal("client key", vector_group.client_key, v.members[1].key.bytes, 16));
	assert_true(hex_equal("common IV", vector_group.common_iv, v.group.common_iv, 13));
	assert_true(hex_equal("SEKey", vector_group.signature_encryption_key, v.group.signature_encryption_key.bytes, 16));
	vector_fini(&v);
}

static void byte_strings_are_those_printed(void **state)
{
	struct oscore_group_message request = { 0 };
	struct oscore_group_member nobody = { 0 };
	uint8_t external[OSCORE_EXTERNAL_AAD_MAX], aad[OSCORE_GROUP_AAD_MAX], info[OSCORE_KEYSTREAM_INFO_MAX], nonce[OSCORE_NONCE_MAX];
	uint8_t bytes[OSCORE_SIGNED_EXTRA + 64];
	struct vector v;
	struct hex value = hex_parse(vector_request.option);
	size_t len;

	(void)state;
	covers("D-GRP-3.4-1 D-GRP-3.1-1");
	vector_init(&v);
	len = oscore_group_external_aad_write(external, &v.group, &v.members[0], &v.request, &v.message);
	assert_true(hex_equal("aad_array", vector_response.aad_array, external, len));
	assert_true(hex_equal("aad", vector_response.aad, aad, oscore_group_aad_write(aad, external, len)));
	assert_true(hex_equal("signed", vector_response.countersign_structure, bytes,
		oscore_group_signed_write(bytes, sizeof bytes, &v.group, external, len, v.payload.bytes, v.payload.len - OSCORE_SIGNATURE_LENGTH)));
	assert_true(hex_equal("info", vector_response.keystream_info, info, oscore_group_keystream_info(info, &v.group, &v.members[0].id, false)));
	oscore_nonce_mix(nonce, 13, v.group.common_iv, &v.members[0].id, v.message.option.piv, v.message.option.piv_len);
	assert_true(hex_equal("nonce", vector_response.nonce, nonce, 13));
	/* the request's: another sender, and no Class I option */
	request.value = value.bytes;
	request.value_len = value.len;
	len = oscore_group_external_aad_write(external, &v.group, &nobody, &v.request, &request);
	assert_true(hex_equal("request", vector_request.aad_array, external, len));
	vector_fini(&v);
}

static void keystream_uncovers_the_signature(void **state)
{
	struct group_verifier *verifier = group_verifier_new();
	struct hex hidden = hex_parse(vector_response.encrypted_signature), info = hex_parse(vector_response.keystream_info);
	uint8_t keystream[OSCORE_SIGNATURE_LENGTH];
	struct vector v;

	(void)state;
	covers("D-GRP-4.2-1 D-GRP-4.1-1");
	vector_init(&v);
	assert_non_null(verifier);
	assert_int_equal(group_keystream(verifier, &v.group, v.message.option.piv, 1, info.bytes, info.len, keystream), 0);
	assert_true(hex_equal("keystream", vector_response.keystream, keystream, sizeof keystream));
	for (size_t i = 0; i < sizeof keystream; i++)
		keystream[i] ^= hidden.bytes[i];
	assert_true(hex_equal("signature", vector_response.plain_signature, keystream, sizeof keystream));
	group_verifier_free(verifier);
	vector_fini(&v);
}

static void response_verifies_and_opens(void **state)
{
	struct vector v;
	struct hex plain = hex_parse(vector_response.plaintext);

	(void)state;
	covers("D-GRP-3.1-1 D-GRP-4.1-1 D-GRP-4.2-1 RBW-5");
	vector_init(&v);
	assert_int_equal(oscore_group_verify(v.opener, &v.group, &v.message), OSCORE_GROUP_VERIFIED);
	assert_int_equal(vector_open(&v), OSCORE_GROUP_OPENED);
	assert_int_equal(v.inner.code, CODE_CONTENT);
	assert_int_equal(v.inner.payload_len, 8);
	assert_memory_equal(v.inner.payload, ". ID: 42", 8);
	assert_memory_equal(v.bytes + OSCORE_GROUP_EXTRA + 1, plain.bytes + 1, plain.len - 1);
	vector_fini(&v);
}

static void four_elements_do_not_verify(void **state)
{
	struct vector v;

	(void)state;
	covers("D-GRP-3.1-1");
	vector_init(&v);
	v.group.four_elements = true;
	assert_int_equal(vector_open(&v), OSCORE_GROUP_SIGNATURE);
	assert_true(holds_no_plaintext(&v));
	v.group.four_elements = false;
	assert_int_equal(vector_open(&v), OSCORE_GROUP_OPENED);
	vector_fini(&v);
}

/* A checker has no Sender Key and no Common IV, and verifies all the same. */
static void checker_without_keys_verifies(void **state)
{
	struct vector v;

	(void)state;
	covers("D-GRP-7.5-1 RBW-3");
	vector_init(&v);
	group_restrict(&v.group, GROUP_VERIFY_ONLY, NULL);
	for (size_t i = 0; i < sizeof v.members[0].key.bytes; i++)
		assert_int_equal(v.members[0].key.bytes[i] | v.members[1].key.bytes[i], 0);
	assert_int_equal(vector_open(&v), OSCORE_GROUP_VERIFIED);
	assert_true(holds_no_plaintext(&v));
	v.payload.bytes[0] ^= 1;
	assert_int_equal(vector_open(&v), OSCORE_GROUP_SIGNATURE);
	vector_fini(&v);
}

static void one_flipped_bit_verifies_nothing(void **state)
{
	struct vector v;

	(void)state;
	covers("D-GRP-7.2-1 D-GRP-3.4-1");
	vector_init(&v);
	for (size_t bit = 0; bit < 8 * v.payload.len; bit += 3) {
		v.payload.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(vector_open(&v), OSCORE_GROUP_SIGNATURE);
		assert_true(holds_no_plaintext(&v));
		v.payload.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(vector_open(&v), OSCORE_GROUP_OPENED);
	vector_fini(&v);
}

/* Protected again it is the same message, as far as the Request-Hash is not in it. */
static void protected_again_it_is_the_same(void **state)
{
	static const uint64_t sequence = 0;
	static struct group_sealed sealed;
	struct vector v;
	struct group_signer signer;
	struct hex inner = hex_parse("50450000" "d2010e10" "ff2e2049443a203432");

	(void)state;
	vector_init(&v);
	signer = (struct group_signer){ &v.group, &v.members[0],
		group_private_key(OSCORE_EDDSA, v.private_key, NULL, 0) };
	assert_non_null(signer.private_key);
	assert_int_equal(group_seal_response(&sealed, &v.request, &signer, &sequence, false, inner.bytes, inner.len), 0);
	assert_true(hex_equal("option", vector_response.option, sealed.option, sealed.option_len));
	assert_int_equal(sealed.payload_len, v.payload.len);
	/* The sealer knows no Class I option: tag and signature are others. */
	assert_memory_equal(sealed.payload, v.payload.bytes, v.payload.len - OSCORE_SIGNATURE_LENGTH - 8);
	EVP_PKEY_free(signer.private_key);
	vector_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_derived),
		cmocka_unit_test(byte_strings_are_those_printed),
		cmocka_unit_test(keystream_uncovers_the_signature),
		cmocka_unit_test(response_verifies_and_opens),
		cmocka_unit_test(four_elements_do_not_verify),
		cmocka_unit_test(checker_without_keys_verifies),
		cmocka_unit_test(one_flipped_bit_verifies_nothing),
		cmocka_unit_test(protected_again_it_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

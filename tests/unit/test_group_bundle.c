/* objects: oscore/option.o oscore/context.o oscore/derive.o oscore/unseal.o GROUP_OBJS tools/group_seal.o tools/group_derive.o tests/unit/group_world.o coap/message.o base/hash.o base/random.o base/log.o base/clock.o */
/*
 * What a reader holds of a group: its lengths, what may be wrong with it, and that nothing of it is left when it went.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/covers.h"
#include "tests/unit/group_world.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct group_world world;

static void lengths_follow_the_algorithms(void **state)
{
	struct oscore_group g = { .algorithm = oscore_group_algorithm(OSCORE_A128CTR), .aead = oscore_aead_row(10) };

	(void)state;
	covers("D-GRP-2.1-1 D-GRP-2.1-2");
	assert_int_equal(g.algorithm->nonce_len, 12);
	assert_int_equal(oscore_group_iv_length(&g), 13);
	assert_int_equal(oscore_group_id_max(&g), 6);
	g.aead = NULL;
	assert_int_equal(oscore_group_iv_length(&g), 12);
	g.algorithm = oscore_group_algorithm(10);
	assert_int_equal(oscore_group_id_max(&g), 7);
	/* AES-CBC in its three sizes, and AES-CCM of long messages, which OSCORE has no use for */
	for (int alg = -65531; alg <= -65529; alg++)
		assert_null(oscore_group_algorithm(alg));
	assert_null(oscore_group_algorithm(0));
}

/* The bundle as it comes out of a file: not yet prepared. */
static void bundle_anew(struct group_world *w)
{
	oscore_group_wipe(&w->bundle);
	w->bundle = w->group;
	w->bundle.members = w->bundle_members;
	memcpy(w->bundle_members, w->members, sizeof w->members);
}

static enum oscore_group_fault fault_of(struct group_world *w, size_t *member)
{
	enum oscore_group_fault fault;

	fault = oscore_group_prepare(&w->bundle, member);
	if (fault != OSCORE_GROUP_SOUND)
		for (size_t i = 0; i < GROUP_WORLD_MEMBERS; i++)
			assert_null(w->bundle_members[i].verifier);
	w->bundle.member_count = GROUP_WORLD_MEMBERS;
	bundle_anew(w);
	return fault;
}

static void what_a_bundle_has_wrong_is_told(void **state)
{
	static const enum oscore_signature signatures[] = { OSCORE_EDDSA, OSCORE_ES256 };

	(void)state;
	for (size_t i = 0; i < COUNT(signatures); i++) {
		struct oscore_group_member *second = &world.bundle_members[1];
		struct group_world *w = &world;
		size_t at;

		group_world_init(w, 10, 1, signatures[i], OSCORE_HKDF_SHA256);
		bundle_anew(w);
		assert_int_equal(fault_of(w, &at), OSCORE_GROUP_SOUND);
		second->id.len = 7; /* one too long for AES-GCM */
		assert_int_equal(fault_of(w, &at), OSCORE_GROUP_ID_TOO_LONG);
		assert_int_equal(at, 1);
		second->id = w->members[0].id;
		assert_int_equal(fault_of(w, &at), OSCORE_GROUP_ID_TWICE);
		assert_int_equal(at, 1);
		w->bundle.has_common_iv = false;
		assert_int_equal(fault_of(w, &at), OSCORE_GROUP_KEY_WITHOUT_IV);
		assert_int_equal(at, 0);
		w->bundle.signature = signatures[1 - i];
		assert_int_equal(fault_of(w, &at), OSCORE_GROUP_NO_PUBLIC_KEY);
		second->public_key_len--;
		assert_int_equal(fault_of(w, &at), OSCORE_GROUP_NO_PUBLIC_KEY);
		assert_int_equal(at, 1);
		w->bundle.member_count = 0;
		assert_int_equal(fault_of(w, &at), OSCORE_GROUP_NO_MEMBER);
		if (signatures[i] == OSCORE_ES256) {
			second->public_key[60] ^= 1; /* no point of the curve */
			assert_int_equal(fault_of(w, &at), OSCORE_GROUP_NO_PUBLIC_KEY);
			/* compressed it is the same key */
			second->public_key[0] = (uint8_t)(2 + (second->public_key[64] & 1));
			second->public_key_len = 33;
			assert_int_equal(fault_of(w, &at), OSCORE_GROUP_SOUND);
		}
		group_world_fini(w);
	}
}

static void what_went_is_wiped(void **state)
{
	static const struct group_world nothing;

	(void)state;
	group_world_init(&world, 10, 0, OSCORE_EDDSA, OSCORE_HKDF_SHA256);
	oscore_group_wipe(&world.bundle);
	assert_memory_equal(&world.bundle, &nothing.bundle, sizeof nothing.bundle);
	assert_memory_equal(world.bundle_members, nothing.bundle_members, sizeof nothing.bundle_members);
	group_world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_follow_the_algorithms),
		cmocka_unit_test(what_a_bundle_has_wrong_is_told),
		cmocka_unit_test(what_went_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

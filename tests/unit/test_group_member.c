/* objects: oscore/option.o oscore/context.o oscore/derive.o oscore/unseal.o GROUP_OBJS tools/group_seal.o tools/group_derive.o tools/group_member.o tools/seal.o tests/unit/group_world.o coap/message.o base/hash.o base/random.o base/log.o base/clock.o */
/*
 * The endpoint that other tests try to deceive: what it accepts, and what it drops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/covers.h"
#include "tests/unit/group_world.h"
#include "tools/group_member.h"
#include "tools/seal.h"

/* A client and a server of one group, and what goes between them. */
struct pair {
	struct group_world world;
	struct group_member client, server;
	struct group_exchange exchange;
	struct oscore_group_request request; /* as the server has it */
	struct group_sealed sealed;
	uint8_t bytes[1024];
	struct msg_view inner;
};

static const uint8_t put[] = { 0x50, CODE_PUT, 0, 0, 0xb1, 't', 0xff, '4', '2' };
static const uint8_t content[] = { 0x50, CODE_CONTENT, 0, 0, 0xff, '4', '2' };

static struct pair *pair_new(void)
{
	struct pair *p = calloc(1, sizeof *p);
	size_t at;

	assert_non_null(p);
	group_world_init(&p->world, OSCORE_AES_CCM_16_64_128, OSCORE_AES_CCM_16_64_128, OSCORE_EDDSA, OSCORE_HKDF_SHA256);
	assert_int_equal(oscore_group_prepare(&p->world.group, &at), OSCORE_GROUP_SOUND);
	assert_int_equal(group_member_init(&p->client, &p->world.signers[GROUP_CLIENT]), 0);
	assert_int_equal(group_member_init(&p->server, &p->world.signers[GROUP_SERVER]), 0);
	return p;
}

static void pair_free(struct pair *p)
{
	group_member_fini(&p->client);
	group_member_fini(&p->server);
	group_world_fini(&p->world);
	free(p);
}

static void ask(struct pair *p)
{
	assert_int_equal(group_member_ask(&p->client, &p->sealed, &p->exchange, put, sizeof put), 0);
}

static void answer(struct pair *p, bool numbered)
{
	assert_int_equal(group_member_answer(&p->server, &p->sealed, &p->request, numbered, content, sizeof content), 0);
}

static enum group_verdict server_takes(struct pair *p)
{
	return group_member_take_request(&p->server, p->sealed.option, p->sealed.option_len, p->sealed.payload, p->sealed.payload_len, p->bytes,
		sizeof p->bytes, &p->inner, &p->request);
}

static enum group_verdict client_takes(struct pair *p)
{
	return group_member_take_response(&p->client, &p->exchange, p->sealed.option, p->sealed.option_len, p->sealed.payload,
		p->sealed.payload_len, p->bytes, sizeof p->bytes, &p->inner);
}

static void an_exchange_is_accepted_once(void **state)
{
	struct pair *p = pair_new();

	(void)state;
	covers("D-GRP-5.3-1 RBW-7");
	for (int i = 0; i < 40; i++) {
		ask(p);
		assert_int_equal(server_takes(p), GROUP_ACCEPTED);
		assert_int_equal(p->inner.code, CODE_PUT);
		assert_int_equal(server_takes(p), GROUP_REPLAYED);
		answer(p, false);
		assert_int_equal(client_takes(p), GROUP_ACCEPTED);
		assert_memory_equal(p->inner.payload, "42", 2);
		assert_int_equal(client_takes(p), GROUP_REPLAYED);
		for (int n = 0; n < 3; n++) {
			answer(p, true);
			assert_true((p->sealed.option[0] & OSCORE_FLAG_PIV_LENGTH) > 0);
			assert_int_equal(client_takes(p), GROUP_ACCEPTED);
			assert_int_equal(client_takes(p), GROUP_REPLAYED);
		}
	}
	pair_free(p);
}

/* Behind the window everything counts as seen; a message in disorder is taken. */
static void disorder_is_taken_and_age_is_not(void **state)
{
	struct pair *p = pair_new();
	struct group_sealed first, second;

	(void)state;
	ask(p);
	first = p->sealed;
	ask(p);
	second = p->sealed;
	ask(p);
	assert_int_equal(server_takes(p), GROUP_ACCEPTED);
	p->sealed = second;
	assert_int_equal(server_takes(p), GROUP_ACCEPTED);
	for (int i = 0; i < GROUP_MEMBER_WINDOW; i++) {
		ask(p);
		assert_int_equal(server_takes(p), GROUP_ACCEPTED);
	}
	p->sealed = first;
	assert_int_equal(server_takes(p), GROUP_REPLAYED);
	pair_free(p);
}

static void forged_messages_move_no_window(void **state)
{
	struct pair *p = pair_new();

	(void)state;
	covers("D-GRP-7.2-1 RBW-2");
	for (size_t bit = 0; bit < 8; bit++) {
		ask(p);
		p->sealed.payload[bit] ^= (uint8_t)(1 << bit);
		assert_int_equal(server_takes(p), GROUP_FORGED);
		assert_int_equal(p->inner.len, 0);
		p->sealed.payload[bit] ^= (uint8_t)(1 << bit);
		assert_int_equal(server_takes(p), GROUP_ACCEPTED);
		answer(p, bit % 2 == 0);
		p->sealed.payload[p->sealed.payload_len - 1 - bit] ^= 1;
		assert_int_equal(client_takes(p), GROUP_FORGED);
		p->sealed.payload[p->sealed.payload_len - 1 - bit] ^= 1;
		assert_int_equal(client_takes(p), GROUP_ACCEPTED);
	}
	pair_free(p);
}

/* The matrix of the draft's section 6, for who has group mode alone. */
static void without_the_group_flag_nothing_is_accepted(void **state)
{
	struct pair *p = pair_new();
	struct oscore_context plain = { 0 };
	struct oscore_request request;
	struct sealed sealed;

	(void)state;
	covers("D-GRP-6-1 RBW-2 D-GRP-3.2-1");
	/* the same keys, Gid and kid in plain OSCORE: what a reader could make */
	plain.aead = p->world.group.algorithm;
	plain.sender.id = p->world.members[GROUP_CLIENT].id;
	plain.sender.key = p->world.members[GROUP_CLIENT].key;
	memcpy(plain.common_iv, p->world.group.common_iv, sizeof plain.common_iv);
	plain.has_id_context = true;
	plain.id_context_len = p->world.group.gid_len;
	memcpy(plain.id_context, p->world.group.gid, plain.id_context_len);
	assert_int_equal(seal_request(&sealed, &request, &plain, 1, put, sizeof put), 0);
	assert_int_equal(group_member_take_request(&p->server, sealed.option, sealed.option_len, sealed.payload, sealed.payload_len, p->bytes,
		sizeof p->bytes, &p->inner, &p->request), GROUP_NO_GROUP_MODE);
	/* the flag put on it, or taken off a message that has it */
	sealed.option[0] |= OSCORE_FLAG_GROUP;
	assert_int_equal(group_member_take_request(&p->server, sealed.option, sealed.option_len, sealed.payload, sealed.payload_len, p->bytes,
		sizeof p->bytes, &p->inner, &p->request), GROUP_MALFORMED);
	ask(p);
	p->sealed.option[0] ^= OSCORE_FLAG_GROUP;
	assert_int_equal(server_takes(p), GROUP_NO_GROUP_MODE);
	/* with the flag, but of a group that is not known, or of a kid that is not */
	p->sealed.option[0] ^= OSCORE_FLAG_GROUP;
	p->sealed.option[3] ^= 1;
	assert_int_equal(server_takes(p), GROUP_UNKNOWN);
	p->sealed.option[3] ^= 1;
	p->sealed.option[p->sealed.option_len - 1] = 0x77;
	assert_int_equal(server_takes(p), GROUP_UNKNOWN);
	/* its own kid is no peer's */
	p->sealed.option[p->sealed.option_len - 1] = 2;
	assert_int_equal(server_takes(p), GROUP_UNKNOWN);
	p->sealed.option[p->sealed.option_len - 1] = 1;
	assert_int_equal(server_takes(p), GROUP_ACCEPTED);
	/* the same for answers: no flag, no kid */
	answer(p, true);
	p->sealed.option[0] ^= OSCORE_FLAG_GROUP;
	assert_int_equal(client_takes(p), GROUP_NO_GROUP_MODE);
	p->sealed.option[0] ^= OSCORE_FLAG_GROUP | OSCORE_FLAG_KID;
	p->sealed.option_len--;
	assert_int_equal(client_takes(p), GROUP_MALFORMED);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exchange_is_accepted_once),
		cmocka_unit_test(disorder_is_taken_and_age_is_not),
		cmocka_unit_test(forged_messages_move_no_window),
		cmocka_unit_test(without_the_group_flag_nothing_is_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

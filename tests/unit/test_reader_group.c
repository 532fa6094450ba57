/* objects: READER_PART_OBJS base/clock.o oscore/derive.o tools/seal.o tools/group_seal.o tools/group_derive.o tools/keys_print.o tests/unit/group_world.o tests/unit/reader_world.o */
/* libs: -lcrypto */
/*
 * What the reader tells of messages of Group OSCORE's group mode, with each of the three bundles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oscore/reader/confine.h"
#include "tests/unit/covers.h"
#include "tests/unit/group_world.h"
#include "tests/unit/reader_world.h"

static struct reader_world world;
static struct group_world group;
static struct group_sealed request, response;
static struct oscore_group_request asked;
static uint64_t sequence;
static char text[32768];

static void provision(enum group_profile profile, uint32_t max_failures)
{
	group_world_provision(&group, profile);
	text[0] = '\0';
	world_print_group(text, sizeof text, "plant", &group.bundle);
	world_provision(&world, text, max_failures);
}

static void exchange_make(const uint64_t *piv)
{
	static const struct world_option options[] = { { OPT_URI_PATH, "valve", 5 }, { 0, NULL, 0 } };
	uint8_t inner[WORLD_INNER_MAX];

	assert_int_equal(group_seal_request(&request, &asked, &group.signers[GROUP_CLIENT], sequence++, inner,
		world_inner(inner, CODE_PUT, options, "open", 4)), 0);
	assert_int_equal(group_seal_response(&response, &asked, &group.signers[GROUP_SERVER], piv, false, inner,
		world_inner(inner, CODE_CHANGED, NULL, "done", 4)), 0);
}

static enum opening_verdict ask(const struct group_sealed *s, bool answers, bool verify)
{
	const struct opening_question q = {
		.id = 1, .set = WORLD_SET, .fields = WORLD_FIELDS_ALL, .response = answers, .verify = verify,
		.option = s->option, .option_len = (uint8_t)s->option_len, .payload = s->payload, .payload_len = (uint32_t)s->payload_len,
		.request_option = answers ? request.option : NULL, .request_option_len = answers ? (uint8_t)request.option_len : 0,
	};

	return world_ask_bytes(&world, &q);
}

static void each_bundle_reads_what_it_may(void **state)
{
	static const struct {
		enum group_profile profile;
		enum opening_verdict of_request, of_response;
	} rows[] = {
		{ GROUP_VERIFY_ONLY, OPENING_VERIFIED, OPENING_VERIFIED },
		{ GROUP_READ_RESPONSES, OPENING_VERIFIED, OPENING_OPENED },
		{ GROUP_READ_BOTH, OPENING_OPENED, OPENING_OPENED },
	};

	(void)state;
	covers("RBW-3 RBW-4 RBW-5 RBW-14 D-GRP-7.5-1");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		provision(rows[i].profile, 0);
		exchange_make(i == 1 ? &sequence : NULL);
		assert_int_equal(ask(&request, false, true), OPENING_VERIFIED);
		assert_int_equal(ask(&response, true, true), OPENING_VERIFIED);
		assert_int_equal(world.answer.inner.fields, 0);
		assert_int_equal(ask(&request, false, false), rows[i].of_request);
		if (rows[i].of_request == OPENING_OPENED) {
			assert_int_equal(world.answer.inner.code, CODE_PUT);
			assert_memory_equal(world.answer.inner.path[0].at, "valve", 5);
		} else {
			assert_int_equal(world.answer.inner.fields, 0);
		}
		assert_int_equal(ask(&response, true, false), rows[i].of_response);
		if (rows[i].of_response == OPENING_OPENED)
			assert_memory_equal(world.answer.inner.payload, "done", 4);
		else
			assert_int_equal(world.answer.inner.fields, 0);
		/* it was seen when it was verified, and is again */
		assert_int_equal(ask(&request, false, false), rows[i].of_request);
		assert_true(world.answer.seen);
	}
}

/* A bundle that has the server alone: responses lead to it by who answers. */
static void who_asks_need_not_be_known(void **state)
{
	(void)state;
	group_world_provision(&group, GROUP_READ_RESPONSES);
	group.bundle.members = &group.bundle_members[GROUP_SERVER];
	group.bundle.member_count = 1;
	text[0] = '\0';
	world_print_group(text, sizeof text, "plant", &group.bundle);
	group.bundle.members = group.bundle_members;
	group.bundle.member_count = GROUP_WORLD_MEMBERS;
	world_provision(&world, text, 0);
	exchange_make(NULL);
	assert_int_equal(ask(&request, false, false), OPENING_UNKNOWN);
	assert_int_equal(ask(&response, true, false), OPENING_OPENED);
	assert_true(world.answer.unverified);
}

/* Altered in any byte it is bad, by signature or, if the option was, of nobody; and too many of these close the group. */
static void what_was_altered_is_bad(void **state)
{
	struct group_sealed s;

	(void)state;
	covers("D-GRP-7.2-1");
	for (int verify = 0; verify < 2; verify++) {
		provision(verify ? GROUP_VERIFY_ONLY : GROUP_READ_BOTH, 0);
		exchange_make(NULL);
		for (size_t i = 0; i < request.payload_len; i += 3) {
			s = request;
			s.payload[i] ^= 1;
			assert_int_equal(ask(&s, false, verify), OPENING_BAD);
			assert_int_equal(world.answer.inner.fields, 0);
		}
		for (size_t i = 0; i < request.option_len; i++) {
			enum opening_verdict v;

			s = request;
			s.option[i] ^= 1;
			v = ask(&s, false, verify);
			assert_true(v == OPENING_BAD || v == OPENING_UNKNOWN || v == OPENING_MALFORMED);
		}
		assert_int_equal(ask(&request, false, verify), verify ? OPENING_VERIFIED : OPENING_OPENED);
		assert_false(world.answer.seen);
	}
	provision(GROUP_READ_BOTH, 2);
	exchange_make(NULL);
	s = request;
	s.payload[0] ^= 1;
	assert_int_equal(ask(&s, false, true), OPENING_BAD);
	assert_int_equal(ask(&s, false, false), OPENING_BAD);
	assert_int_equal(ask(&request, false, false), OPENING_CLOSED);
	provision(GROUP_READ_BOTH, 2);
	assert_int_equal(ask(&request, false, false), OPENING_OPENED);
}

/* What has no Group Flag is not of the group, what has one of no plain context, and another Gid is another group. */
static void modes_do_not_mix(void **state)
{
	struct oscore_context plain;
	struct oscore_request r;
	struct sealed s;
	struct group_sealed other;
	uint8_t inner[WORLD_INNER_MAX];
	char gid[4] = "";

	(void)state;
	covers("D-GRP-6-1 D-GRP-3.2-1");
	provision(GROUP_READ_BOTH, 0);
	exchange_make(NULL);
	/* pairwise mode, which only its two can read */
	other = request;
	other.option[0] &= (uint8_t)~OSCORE_FLAG_GROUP;
	assert_int_equal(ask(&other, false, false), OPENING_NO_KEY);
	/* nor is what answers it in group mode read as an answer to it */
	other = request;
	request.option[0] &= (uint8_t)~OSCORE_FLAG_GROUP;
	assert_int_equal(ask(&response, true, false), OPENING_MALFORMED);
	request = other;
	assert_int_equal(ask(&response, true, false), OPENING_OPENED);
	/* no kid context */
	other = (struct group_sealed){ .option_len = 3, .option = { 0x29, 0x01, 0x01 }, .payload_len = request.payload_len };
	assert_int_equal(ask(&other, false, false), OPENING_MALFORMED);
	/* a plain context of the same kid and kid context beside it */
	memcpy(gid, group.group.gid, 3);
	world_context(&plain, 1, "\x01", "\x02", gid, false);
	world_print_context(text, sizeof text, "plain", &plain, true, true);
	world_provision(&world, text, 0);
	assert_int_equal(seal_request(&s, &r, &plain, 1, inner, world_inner(inner, CODE_GET, NULL, NULL, 0)), 0);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	exchange_make(NULL);
	assert_int_equal(ask(&request, false, false), OPENING_OPENED);
	text[0] = '\0';
	world_print_context(text, sizeof text, "plain", &plain, true, true);
	world_provision(&world, text, 0);
	assert_int_equal(ask(&request, false, false), OPENING_UNKNOWN);
	/* after a change of keys the former ones are nobody's */
	provision(GROUP_READ_BOTH, 0);
	group_world_rekey(&group, 2);
	provision(GROUP_READ_BOTH, 0);
	assert_int_equal(ask(&request, false, false), OPENING_UNKNOWN);
	exchange_make(NULL);
	assert_int_equal(ask(&request, false, false), OPENING_OPENED);
	assert_int_equal(ask(&response, true, false), OPENING_OPENED);
}

/* Of an exchange that outlives its group's keys: the response says under which Gid it is, and is bound to the request as that was. */
static void responses_outlive_a_change_of_keys(void **state)
{
	uint8_t inner[WORLD_INNER_MAX];
	size_t len = world_inner(inner, CODE_CONTENT, NULL, "late", 4);
	const uint64_t piv = 5;
	struct group_sealed other;

	(void)state;
	covers("D-GRP-7.3-1");
	group_world_rekey(&group, 3);
	provision(GROUP_READ_BOTH, 0);
	exchange_make(NULL);
	group_world_rekey(&group, 4);
	provision(GROUP_READ_BOTH, 0);
	assert_int_equal(ask(&request, false, false), OPENING_UNKNOWN);
	assert_int_equal(ask(&response, true, false), OPENING_UNKNOWN);
	assert_int_equal(group_seal_response(&response, &asked, &group.signers[GROUP_SERVER], &piv, true, inner, len), 0);
	assert_int_equal(ask(&response, true, false), OPENING_OPENED);
	assert_memory_equal(world.answer.inner.payload, "late", 4);
	/* and to no other request */
	other = request;
	exchange_make(NULL);
	assert_int_equal(group_seal_response(&response, &asked, &group.signers[GROUP_SERVER], &(uint64_t){ 6 }, true, inner, len), 0);
	assert_int_equal(ask(&response, true, false), OPENING_OPENED);
	request = other;
	assert_int_equal(ask(&response, true, false), OPENING_BAD);
}

/* What was seen goes with the keys, also where the Gid stays. */
static void other_keys_begin_anew(void **state)
{
	(void)state;
	provision(GROUP_READ_BOTH, 0);
	exchange_make(NULL);
	assert_int_equal(ask(&request, false, false), OPENING_OPENED);
	assert_false(world.answer.seen);
	provision(GROUP_READ_BOTH, 0);
	assert_int_equal(ask(&request, false, false), OPENING_OPENED);
	assert_true(world.answer.seen);
	group.group.signature_encryption_key.bytes[0] ^= 1;
	provision(GROUP_READ_BOTH, 0);
	sequence--;
	exchange_make(NULL);
	assert_int_equal(ask(&request, false, false), OPENING_OPENED);
	assert_false(world.answer.seen);
	group.group.signature_encryption_key.bytes[0] ^= 1;
}

/* A group that is the same in all but its manager is another one. */
static void a_cloned_group_is_another(void **state)
{
	(void)state;
	covers("D-GRP-13.8-1");
	provision(GROUP_READ_BOTH, 0);
	exchange_make(NULL);
	group.group.manager_credential[0] ^= 1;
	provision(GROUP_READ_BOTH, 0);
	assert_int_equal(ask(&request, false, true), OPENING_BAD);
	assert_int_equal(ask(&response, true, false), OPENING_BAD);
	group.group.manager_credential[0] ^= 1;
	provision(GROUP_READ_BOTH, 0);
	assert_int_equal(ask(&request, false, true), OPENING_VERIFIED);
}

/* In a child that is shut in as the reader is: nothing of it needs more than that leaves. */
static int confined_child(void)
{
	char missing[512] = "";

	if (confine_enter(0, missing, sizeof missing) < 0)
		return 1;
	for (int i = 0; i < 3; i++) {
		if (ask(&request, false, true) != OPENING_VERIFIED || ask(&request, false, false) != OPENING_OPENED ||
		    ask(&response, true, false) != OPENING_OPENED)
			return 2;
		world_provision(&world, text, 0);
	}
	return 0;
}

static void all_of_it_works_confined(void **state)
{
	pid_t child;
	int status;

	(void)state;
	if (getenv("TEST_EMULATED") != NULL)
		return; /* the filter is the kernel's */
	provision(GROUP_READ_BOTH, 0);
	exchange_make(NULL);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(confined_child());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bundle_reads_what_it_may),
		cmocka_unit_test(who_asks_need_not_be_known),
		cmocka_unit_test(what_was_altered_is_bad),
		cmocka_unit_test(modes_do_not_mix),
		cmocka_unit_test(responses_outlive_a_change_of_keys),
		cmocka_unit_test(other_keys_begin_anew),
		cmocka_unit_test(a_cloned_group_is_another),
		cmocka_unit_test(all_of_it_works_confined),
	};
	int failed;

	world_start(&world);
	group_world_init(&group, OSCORE_AES_CCM_16_64_128, OSCORE_AES_CCM_16_64_128, OSCORE_EDDSA, OSCORE_HKDF_SHA256);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	group_world_fini(&group);
	group_world_init(&group, OSCORE_A128CTR, 0, OSCORE_ES256, OSCORE_HKDF_SHA512);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	group_world_fini(&group);
	world_end(&world);
	return failed;
}

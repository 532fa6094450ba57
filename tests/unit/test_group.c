/* objects: oscore/option.o oscore/context.o oscore/derive.o oscore/unseal.o GROUP_OBJS tools/group_seal.o tools/group_derive.o tests/unit/group_world.o coap/message.o base/hash.o base/random.o base/log.o base/clock.o */
/*
 * Messages that members of a group protect, and what a reader makes of them: with every algorithm, in each of the three bundles, and altered in
 * every way.
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

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { BODY_MAX = 10000, INNER_MAX = 16 + BODY_MAX };

/* One message on its way to the reader. */
struct trip {
	struct group_world world;
	struct oscore_group_opener *opener;
	struct oscore_group_request request;
	struct group_sealed sealed;
	uint8_t inner[INNER_MAX], bytes[OSCORE_GROUP_PAYLOAD_MAX + OSCORE_GROUP_EXTRA];
	size_t inner_len;
	struct msg_view view;
};

static struct trip *trip_new(int algorithm, int aead, enum oscore_signature signature, enum oscore_hkdf hkdf)
{
	struct trip *t = calloc(1, sizeof *t);

	assert_non_null(t);
	group_world_init(&t->world, algorithm, aead, signature, hkdf);
	t->opener = oscore_group_opener_new();
	assert_non_null(t->opener);
	return t;
}

static struct trip *trip_default(void)
{
	return trip_new(OSCORE_AES_CCM_16_64_128, OSCORE_AES_CCM_16_64_128, OSCORE_EDDSA, OSCORE_HKDF_SHA256);
}

static void trip_free(struct trip *t)
{
	oscore_group_opener_free(t->opener);
	group_world_fini(&t->world);
	free(t);
}

/* What is to be protected: a code, Uri-Path "t" in requests, and body_len random bytes. */
static void inner_fill(struct trip *t, uint8_t code, size_t body_len)
{
	struct msg_writer w;
	uint8_t body[BODY_MAX];

	for (size_t i = 0; i < body_len; i++)
		body[i] = (uint8_t)rand();
	msg_begin(&w, t->inner, sizeof t->inner, MSG_NON, code, 0, NULL, 0);
	if (msg_code_is_request(code))
		msg_add_option(&w, 11, "t", 1);
	msg_add_payload(&w, body, body_len);
	t->inner_len = msg_end(&w);
	assert_true(t->inner_len > 0);
}

static void seal_request(struct trip *t, size_t from, uint64_t sequence, size_t body_len)
{
	inner_fill(t, CODE_PUT, body_len);
	assert_int_equal(group_seal_request(&t->sealed, &t->request, &t->world.signers[from], sequence, t->inner, t->inner_len), 0);
}

/* sequence UINT64_MAX: the request's nonce. */
static void seal_response(struct trip *t, size_t from, uint64_t sequence, bool tells_gid, size_t body_len)
{
	inner_fill(t, CODE_CONTENT, body_len);
	assert_int_equal(group_seal_response(&t->sealed, &t->request, &t->world.signers[from], sequence == UINT64_MAX ? NULL : &sequence, tells_gid,
		t->inner, t->inner_len), 0);
}

/* What the reader makes of the message as it is now. `request` is NULL for a request. */
static enum oscore_group_result opened_as(struct trip *t, const struct oscore_group_request *request)
{
	struct oscore_group_message m;
	enum oscore_group_result verified, result;

	memset(t->bytes, 0xa5, sizeof t->bytes);
	memset(&t->view, 0xa5, sizeof t->view);
	if (oscore_group_message_init(&m, t->sealed.option, t->sealed.option_len, t->sealed.payload, t->sealed.payload_len, request) < 0)
		return OSCORE_GROUP_FORMAT;
	verified = oscore_group_verify(t->opener, &t->world.bundle, &m);
	result = oscore_group_open(t->opener, &t->world.bundle, &m, t->bytes, sizeof t->bytes, &t->view);
	/* what verifies is what opens, apart from what is found inside */
	if (result == OSCORE_GROUP_OPENED || result == OSCORE_GROUP_TAG || result == OSCORE_GROUP_INNER)
		assert_int_equal(verified, OSCORE_GROUP_VERIFIED);
	else
		assert_int_equal(verified, result);
	return result;
}

static bool opens_to_the_same(const struct trip *t)
{
	return t->view.len == t->inner_len && memcmp(t->bytes + 1, t->inner + 1, t->inner_len - 1) == 0;
}

/* True if no eight bytes of what was protected can be found; bodies are random, so none is there by chance. */
static bool holds_no_plaintext(const struct trip *t)
{
	return memmem(t->bytes, sizeof t->bytes, t->inner + t->inner_len - 8, 8) == NULL && t->view.len == 0 && t->view.payload == NULL;
}

struct algorithms {
	int algorithm, aead;
	enum oscore_signature signature;
	enum oscore_hkdf hkdf;
};

static const struct algorithms all[] = {
	{ 10, 10, OSCORE_EDDSA, OSCORE_HKDF_SHA256 }, { 10, 10, OSCORE_ES256, OSCORE_HKDF_SHA256 },
	{ 11, 0, OSCORE_EDDSA, OSCORE_HKDF_SHA256 }, { 30, 10, OSCORE_EDDSA, OSCORE_HKDF_SHA512 },
	{ 31, 31, OSCORE_ES256, OSCORE_HKDF_SHA256 }, { 1, 10, OSCORE_EDDSA, OSCORE_HKDF_SHA256 },
	{ 3, 0, OSCORE_ES256, OSCORE_HKDF_SHA512 }, { 24, 10, OSCORE_EDDSA, OSCORE_HKDF_SHA256 },
	{ OSCORE_A128CTR, 10, OSCORE_EDDSA, OSCORE_HKDF_SHA256 }, { OSCORE_A128CTR, 0, OSCORE_ES256, OSCORE_HKDF_SHA256 },
	{ OSCORE_A192CTR, 10, OSCORE_EDDSA, OSCORE_HKDF_SHA512 }, { OSCORE_A256CTR, 24, OSCORE_ES256, OSCORE_HKDF_SHA256 },
};

static void every_algorithm_opens_what_was_protected(void **state)
{
	(void)state;
	covers("D-GRP-2.1-1 D-GRP-2.1-2 D-GRP-3.3-1 RBW-4 RBW-5 D-GRP-4.1-1 D-GRP-4.2-1");
	for (size_t i = 0; i < COUNT(all); i++) {
		struct trip *t = trip_new(all[i].algorithm, all[i].aead, all[i].signature, all[i].hkdf);

		for (unsigned round = 0; round < 12; round++) {
			uint64_t sequence = (uint64_t)rand() << (round % 8);
			size_t body = 8 + (size_t)rand() % 600;

			seal_request(t, GROUP_CLIENT, sequence, body);
			assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_OPENED);
			assert_true(opens_to_the_same(t));
			seal_response(t, GROUP_SERVER, UINT64_MAX, false, body);
			assert_int_equal(opened_as(t, &t->request), OSCORE_GROUP_OPENED);
			assert_true(opens_to_the_same(t));
			seal_response(t, GROUP_SERVER, sequence + round, round % 2 == 0, body);
			assert_int_equal(opened_as(t, &t->request), OSCORE_GROUP_OPENED);
			assert_true(opens_to_the_same(t));
		}
		trip_free(t);
	}
}

/* Three bundles: what each reads of a request and of a response. */
static void bundles_read_their_direction(void **state)
{
	static const struct {
		enum group_profile profile;
		enum oscore_group_result request, response;
	} rows[] = {
		{ GROUP_VERIFY_ONLY, OSCORE_GROUP_VERIFIED, OSCORE_GROUP_VERIFIED },
		{ GROUP_READ_RESPONSES, OSCORE_GROUP_VERIFIED, OSCORE_GROUP_OPENED },
		{ GROUP_READ_BOTH, OSCORE_GROUP_OPENED, OSCORE_GROUP_OPENED },
	};
	static const uint8_t nothing[OSCORE_KEY_MAX];

	(void)state;
	covers("RBW-3 D-GRP-7.5-1");
	for (size_t a = 0; a < COUNT(all); a++) {
		struct trip *t = trip_new(all[a].algorithm, all[a].aead, all[a].signature, all[a].hkdf);

		for (size_t i = 0; i < COUNT(rows); i++) {
			group_world_provision(&t->world, rows[i].profile);
			/* what a bundle is not to have is not in it */
			assert_int_equal(memcmp(t->world.bundle_members[GROUP_CLIENT].key.bytes, nothing, sizeof nothing) == 0,
				rows[i].request == OSCORE_GROUP_VERIFIED);
			assert_int_equal(memcmp(t->world.bundle.common_iv, nothing, OSCORE_NONCE_MAX) == 0, rows[i].profile == GROUP_VERIFY_ONLY);
			seal_request(t, GROUP_CLIENT, 7, 40);
			assert_int_equal(opened_as(t, NULL), rows[i].request);
			assert_true(rows[i].request == OSCORE_GROUP_OPENED ? opens_to_the_same(t) : holds_no_plaintext(t));
			seal_response(t, GROUP_SERVER, UINT64_MAX, false, 40);
			assert_int_equal(opened_as(t, &t->request), rows[i].response);
			assert_true(rows[i].response == OSCORE_GROUP_OPENED ? opens_to_the_same(t) : holds_no_plaintext(t));
			/* forged, it verifies with none */
			t->sealed.payload[3] ^= 4;
			assert_int_equal(opened_as(t, &t->request), OSCORE_GROUP_SIGNATURE);
		}
		trip_free(t);
	}
}

static void no_altered_message_verifies(void **state)
{
	(void)state;
	covers("D-GRP-7.2-1 D-GRP-13.1-1 D-GRP-4.1-1");
	for (size_t a = 0; a < COUNT(all); a++) {
		struct trip *t = trip_new(all[a].algorithm, all[a].aead, all[a].signature, all[a].hkdf);

		seal_request(t, GROUP_CLIENT, 300, 40);
		for (unsigned round = 0; round < 60; round++) {
			size_t bit = (size_t)rand() % (8 * t->sealed.payload_len);

			t->sealed.payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
			assert_true(holds_no_plaintext(t));
			t->sealed.payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		/* cut anywhere; down to where no signature and no byte of a message is left */
		for (size_t len = t->sealed.payload_len; len-- > 0;) {
			size_t whole = t->sealed.payload_len;
			bool short_of = len < OSCORE_SIGNATURE_LENGTH + t->world.group.algorithm->tag_len + 1u;

			t->sealed.payload_len = len;
			assert_int_equal(opened_as(t, NULL), short_of ? OSCORE_GROUP_FORMAT : OSCORE_GROUP_SIGNATURE);
			assert_true(holds_no_plaintext(t));
			t->sealed.payload_len = whole;
		}
		assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_OPENED);
		trip_free(t);
	}
}

/* Each byte of the option is signed, and so are the Gid, the credentials and the algorithms. */
static void what_surrounds_a_message_is_signed(void **state)
{
	struct trip *t = trip_default();
	struct oscore_group *g = &t->world.bundle;

	(void)state;
	covers("D-GRP-3.4-1 D-GRP-13.8-1 D-GRP-3.1-1");
	seal_request(t, GROUP_CLIENT, 300, 40);
	for (size_t bit = 0; bit < 8 * t->sealed.option_len; bit++) {
		t->sealed.option[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(opened_as(t, NULL) < 0);
		assert_true(t->view.len == 0 || opened_as(t, NULL) == OSCORE_GROUP_FORMAT);
		t->sealed.option[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	g->manager_credential[5] ^= 1;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
	g->manager_credential[5] ^= 1;
	t->world.bundle_members[GROUP_CLIENT].credential_len--;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
	t->world.bundle_members[GROUP_CLIENT].credential_len++;
	g->key_agreement = 0;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
	g->key_agreement = OSCORE_ECDH_SS_HKDF_256;
	g->aead = NULL;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
	g->aead = g->algorithm;
	g->four_elements = true;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
	g->four_elements = false;
	g->signature_encryption_key.bytes[0] ^= 1;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
	g->signature_encryption_key.bytes[0] ^= 1;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_OPENED);
	trip_free(t);
}

/* A group that signs over four elements is read as such. */
static void four_elements_where_a_group_has_four(void **state)
{
	struct trip *t = trip_default();

	(void)state;
	covers("D-GRP-3.1-1");
	t->world.group.four_elements = true;
	seal_request(t, GROUP_CLIENT, 1, 40);
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
	t->world.bundle.four_elements = true;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_OPENED);
	trip_free(t);
}

/* Who has every symmetric key of the group, as a reader has, but signs with a key pair of his own. */
static void only_the_members_own_signature_counts(void **state)
{
	struct trip *t = trip_default();
	struct group_signer impostor = { &t->world.group, &t->world.members[GROUP_CLIENT], t->world.private_keys[GROUP_BYSTANDER] };

	(void)state;
	covers("RBW-1 D-GRP-13.1-1");
	inner_fill(t, CODE_PUT, 40);
	assert_int_equal(group_seal_request(&t->sealed, &t->request, &impostor, 9, t->inner, t->inner_len), 0);
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
	assert_true(holds_no_plaintext(t));
	/* the same by whose key it is */
	seal_request(t, GROUP_BYSTANDER, 9, 40);
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_OPENED);
	/* who is no member is unknown */
	t->world.bundle.member_count = 2;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_STRANGER);
	t->world.bundle.member_count = 3;
	trip_free(t);
}

/* Signed by the member, but encrypted with another's key: with an AEAD the tag tells, and nothing is shown. */
static void a_members_signature_over_another_key_opens_nothing(void **state)
{
	struct trip *t = trip_default();

	(void)state;
	covers("D-GRP-7.2-1");
	seal_request(t, GROUP_CLIENT, 9, 40);
	t->world.bundle_members[GROUP_CLIENT].key.bytes[0] ^= 1;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_TAG);
	assert_true(holds_no_plaintext(t));
	t->world.bundle_members[GROUP_CLIENT].key.bytes[0] ^= 1;
	trip_free(t);
}

static void responses_hang_on_their_request(void **state)
{
	struct trip *t = trip_default();
	struct oscore_group_request first;

	(void)state;
	covers("RBW-5 D-GRP-5.3-1 D-GRP-7.5-1");
	seal_request(t, GROUP_CLIENT, 300, 40);
	first = t->request;
	/* the first response without a Partial IV, notifications with one of their own */
	seal_response(t, GROUP_SERVER, UINT64_MAX, false, 40);
	assert_int_equal(opened_as(t, &first), OSCORE_GROUP_OPENED);
	assert_true(opens_to_the_same(t));
	for (uint64_t n = 0; n < 3; n++) {
		seal_response(t, GROUP_SERVER, n, n == 2, 40);
		assert_int_equal(opened_as(t, &first), OSCORE_GROUP_OPENED);
		assert_true(opens_to_the_same(t));
		/* asked as answers to other requests they do not verify */
		for (size_t i = 0; i < 3; i++) {
			struct oscore_group_request other = first;

			if (i == 0)
				other.piv[1] ^= 1;
			else if (i == 1)
				other.kid.bytes[0] = 3;
			else
				other.gid[2] ^= 1;
			assert_true(opened_as(t, &other) < 0);
			assert_true(holds_no_plaintext(t));
		}
		/* nor as requests: a response has no kid context, or is no request inside and signed as a response */
		assert_true(opened_as(t, NULL) < 0);
	}
	trip_free(t);
}

/* With its keystream taken off and the other put on, a request could be shown as the answer to itself: the same is signed in both. */
static void a_request_is_no_answer_to_itself(void **state)
{
	struct trip *t = trip_default();

	(void)state;
	covers("RBW-5 D-GRP-4.2-1");
	seal_request(t, GROUP_CLIENT, 300, 40);
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_OPENED);
	assert_int_equal(opened_as(t, &t->request), OSCORE_GROUP_STRANGER);
	/* after a change of the Gid its kid may be another's */
	t->request.gid[2] ^= 1;
	assert_int_equal(opened_as(t, &t->request), OSCORE_GROUP_SIGNATURE);
	trip_free(t);
}

/* A response without kid is from who is left, in a group of two; in a larger one nobody can tell. */
static void a_missing_kid_is_told_in_a_group_of_two(void **state)
{
	struct trip *t = trip_default();
	struct oscore_group_message m;
	uint8_t option[] = { OSCORE_FLAG_GROUP };

	(void)state;
	covers("D-GRP-7.5-1 D-GRP-3.2-1");
	seal_request(t, GROUP_CLIENT, 300, 40);
	assert_int_equal(oscore_group_message_init(&m, option, sizeof option, t->sealed.payload, t->sealed.payload_len, &t->request), 0);
	assert_true(oscore_group_concerns(&t->world.bundle, &m));
	assert_null(oscore_group_sender(&t->world.bundle, &m));
	t->world.bundle.member_count = 2;
	assert_ptr_equal(oscore_group_sender(&t->world.bundle, &m), &t->world.bundle_members[GROUP_SERVER]);
	t->world.bundle.member_count = 3;
	trip_free(t);
}

/* The group is rekeyed while a long exchange goes on: notifications come under the new keys, and keep to the request as it was made. */
static void a_long_exchange_outlives_a_rekeying(void **state)
{
	struct trip *t = trip_default();
	struct oscore_group_request first;

	(void)state;
	covers("D-GRP-7.3-1 RBW-10");
	seal_request(t, GROUP_CLIENT, 300, 40);
	first = t->request;
	seal_response(t, GROUP_SERVER, 1, false, 40);
	assert_int_equal(opened_as(t, &first), OSCORE_GROUP_OPENED);
	group_world_rekey(&t->world, 2);
	/* what was under the old keys is no longer read */
	assert_int_equal(opened_as(t, &first), OSCORE_GROUP_FORMAT);
	/* under the new ones it carries the new Gid and a Partial IV; the request's Gid, the old one, is in what is signed */
	seal_response(t, GROUP_SERVER, 2, true, 40);
	assert_int_equal(opened_as(t, &first), OSCORE_GROUP_OPENED);
	assert_true(opens_to_the_same(t));
	memcpy(t->request.gid, t->world.group.gid, t->world.group.gid_len);
	assert_int_equal(opened_as(t, &t->request), OSCORE_GROUP_SIGNATURE);
	/* the request's nonce is not to be used under other keys */
	t->request = first;
	seal_response(t, GROUP_SERVER, UINT64_MAX, true, 40);
	assert_int_equal(opened_as(t, &first), OSCORE_GROUP_FORMAT);
	trip_free(t);
}

/* A reader that was left out when the group was rekeyed has nothing to read with. */
static void a_reader_is_revoked_by_rekeying(void **state)
{
	struct trip *t = trip_default();
	struct oscore_group_message m;
	struct oscore_group old;
	struct oscore_group_member members[GROUP_WORLD_MEMBERS];
	size_t at;

	(void)state;
	covers("RBW-10 RBW-11");
	old = t->world.group;
	old.members = members;
	memcpy(members, t->world.members, sizeof members);
	assert_int_equal(oscore_group_prepare(&old, &at), OSCORE_GROUP_SOUND);
	seal_request(t, GROUP_CLIENT, 0, 40);
	group_world_rekey(&t->world, 2);
	/* what it has recorded it can still read */
	assert_int_equal(oscore_group_message_init(&m, t->sealed.option, t->sealed.option_len, t->sealed.payload, t->sealed.payload_len, NULL), 0);
	assert_int_equal(oscore_group_open(t->opener, &old, &m, t->bytes, sizeof t->bytes, &t->view), OSCORE_GROUP_OPENED);
	seal_request(t, GROUP_CLIENT, 0, 40);
	assert_int_equal(oscore_group_message_init(&m, t->sealed.option, t->sealed.option_len, t->sealed.payload, t->sealed.payload_len, NULL), 0);
	assert_false(oscore_group_concerns(&old, &m));
	assert_int_equal(oscore_group_open(t->opener, &old, &m, t->bytes, sizeof t->bytes, &t->view), OSCORE_GROUP_FORMAT);
	/* not even if it is told that the new Gid is its own */
	old.gid[2] = 2;
	assert_int_equal(oscore_group_open(t->opener, &old, &m, t->bytes, sizeof t->bytes, &t->view), OSCORE_GROUP_SIGNATURE);
	oscore_group_wipe(&old);
	/* a member who left, and signs with what it has: its credential is gone, and so are its keys */
	t->world.bundle.member_count = 2;
	seal_request(t, GROUP_BYSTANDER, 0, 40);
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_STRANGER);
	t->world.bundle.member_count = 3;
	trip_free(t);
}

static void options_lack_what_is_needed(void **state)
{
	static const struct {
		size_t len;
		uint8_t bytes[8];
	} requests[] = {
		{ 0, { 0 } },                               /* empty */
		{ 1, { 0x20 } },                            /* the Group Flag alone */
		{ 3, { 0x29, 0, 1 } },                      /* no kid context */
		{ 5, { 0x31, 0, 2, 0xdd, 0x11 } },          /* no kid */
		{ 6, { 0x38, 3, 0xdd, 0x11, 1, 1 } },       /* no Partial IV */
		{ 7, { 0x19, 0, 3, 0xdd, 0x11, 1, 1 } },    /* no Group Flag: pairwise mode */
		{ 7, { 0x79, 0, 3, 0xdd, 0x11, 1, 1 } },    /* another reserved bit */
		{ 7, { 0x39, 0, 9, 0xdd, 0x11, 1, 1 } },    /* kid context past the end */
		{ 8, { 0x3f, 0, 0, 0, 0, 0, 0, 0 } },       /* a Partial IV of seven bytes */
	};
	struct trip *t = trip_default();

	(void)state;
	covers("D-GRP-3.2-1 D-GRP-6-1");
	seal_request(t, GROUP_CLIENT, 0, 40);
	for (size_t i = 0; i < COUNT(requests); i++) {
		memcpy(t->sealed.option, requests[i].bytes, requests[i].len);
		t->sealed.option_len = requests[i].len;
		assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_FORMAT);
	}
	/* a kid longer than any member's; a Gid that is as long as an option has room for */
	memset(t->sealed.option, 0x11, OSCORE_OPTION_MAX);
	memcpy(t->sealed.option, (uint8_t[]){ 0x39, 0, 3, 0xdd, 0x11, 1 }, 6);
	t->sealed.option_len = 6 + OSCORE_ID_MAX + 1;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_FORMAT);
	t->sealed.option_len = OSCORE_OPTION_MAX;
	t->sealed.option[2] = OSCORE_ID_CONTEXT_MAX + 1;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_FORMAT);
	trip_free(t);
}

/* Responses may come with options of any kind: an ID of a request too long for the nonce is none to build one with. */
static void a_kid_too_long_for_the_nonce_is_refused(void **state)
{
	struct trip *t = trip_new(OSCORE_A128CTR, 0, OSCORE_EDDSA, OSCORE_HKDF_SHA256);

	(void)state;
	seal_request(t, GROUP_CLIENT, 0, 40);
	seal_response(t, GROUP_SERVER, UINT64_MAX, false, 40);
	t->request.kid.len = OSCORE_ID_MAX;
	memset(t->request.kid.bytes, 0xff, OSCORE_ID_MAX);
	assert_int_equal(opened_as(t, &t->request), OSCORE_GROUP_FORMAT);
	trip_free(t);
}

/* Genuine, but a response's code in a request, an Empty one, options past the end; nothing of it is left. */
static void genuine_nonsense_is_no_message(void **state)
{
	static const uint8_t inners[][6] = {
		{ 0x50, CODE_CONTENT, 0, 0, 0xff, 1 }, { 0x50, 0, 0, 0, 0xff, 1 }, { 0x50, 0xe1, 0, 0, 0xff, 1 }, { 0x50, CODE_GET, 0, 0, 0xb5, 't' },
		{ 0x50, CODE_GET, 0, 0, 0xf0, 1 },
	};
	struct trip *t = trip_default();

	(void)state;
	for (size_t i = 0; i < COUNT(inners); i++) {
		assert_int_equal(group_seal_request(&t->sealed, &t->request, &t->world.signers[GROUP_CLIENT], i, inners[i], sizeof inners[i]), 0);
		assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_INNER);
		assert_int_equal(t->view.len, 0);
		for (size_t at = 0; at < sizeof inners[i]; at++)
			assert_int_equal(t->bytes[at], 0);
	}
	trip_free(t);
}

static void large_bodies_and_small_buffers(void **state)
{
	struct trip *t = trip_default();
	struct oscore_group_message m;

	(void)state;
	covers("RBW-13");
	seal_request(t, GROUP_CLIENT, 0, BODY_MAX);
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_OPENED);
	assert_true(opens_to_the_same(t));
	assert_int_equal(oscore_group_message_init(&m, t->sealed.option, t->sealed.option_len, t->sealed.payload, t->sealed.payload_len, NULL), 0);
	assert_int_equal(oscore_group_open(t->opener, &t->world.bundle, &m, t->bytes, BODY_MAX, &t->view), OSCORE_GROUP_SIZE);
	t->sealed.payload_len = OSCORE_GROUP_PAYLOAD_MAX;
	assert_int_equal(opened_as(t, NULL), OSCORE_GROUP_SIGNATURE);
	m.payload_len = OSCORE_GROUP_PAYLOAD_MAX + 1;
	assert_int_equal(oscore_group_verify(t->opener, &t->world.bundle, &m), OSCORE_GROUP_SIZE);
	trip_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_opens_what_was_protected),
		cmocka_unit_test(bundles_read_their_direction),
		cmocka_unit_test(no_altered_message_verifies),
		cmocka_unit_test(what_surrounds_a_message_is_signed),
		cmocka_unit_test(four_elements_where_a_group_has_four),
		cmocka_unit_test(only_the_members_own_signature_counts),
		cmocka_unit_test(a_members_signature_over_another_key_opens_nothing),
		cmocka_unit_test(responses_hang_on_their_request),
		cmocka_unit_test(a_request_is_no_answer_to_itself),
		cmocka_unit_test(a_missing_kid_is_told_in_a_group_of_two),
		cmocka_unit_test(a_long_exchange_outlives_a_rekeying),
		cmocka_unit_test(a_reader_is_revoked_by_rekeying),
		cmocka_unit_test(options_lack_what_is_needed),
		cmocka_unit_test(a_kid_too_long_for_the_nonce_is_refused),
		cmocka_unit_test(genuine_nonsense_is_no_message),
		cmocka_unit_test(large_bodies_and_small_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

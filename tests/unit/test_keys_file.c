/* objects: oscore/keys_file.o oscore/keys_blocks.o oscore/keys_settings.o oscore/keys_lines.o oscore/names.o oscore/group.o oscore/context.o */
/*
 * The provisioning file: what it gives, and every way to be none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oscore/keys_file.h"
#include "oscore/names.h"
#include "tests/unit/covers.h"
#include "tests/unit/hex.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

#define KEY "f0910ed7295e6ad4b54fc793154302ff"
#define KEY_32 KEY "000102030405060708090a0b0c0d0e0f"
#define IV_13 "4622d4dd6d944168eefb54987c"
#define IV_12 "4622d4dd6d944168eefb5498"
#define PUBLIC "77ec358c1d344e41ee0e87b8383d23a2099acd39bdf989ce45b52e887463389b"
#define HEAD "context pump\nalgorithm AES-CCM-16-64-128\ncommon-iv " IV_13 "\n"
#define SENDERS "sender - " KEY "\nsender 01 none\n"
#define CONTEXT HEAD SENDERS
#define GROUP_ALGORITHMS "algorithm AES-CCM-16-64-128\ngroup-algorithm AES-CCM-16-64-128\nsignature EdDSA\nkey-agreement none\n"
#define GROUP_KEYS "signature-encryption-key " KEY "\nmanager-credential a5a5\n"
#define GROUP_HEAD "group plant\ngid dd11\n" GROUP_ALGORITHMS GROUP_KEYS
#define MEMBER "member 52 credential a501 public-key " PUBLIC " key none\n"

/* What was told, a line each. */
struct told {
	size_t count;
	char text[16384];
};

static void tell(void *arg, const char *text)
{
	struct told *t = arg;

	t->count++;
	strncat(t->text, text, sizeof t->text - strlen(t->text) - 2);
	strcat(t->text, "\n");
}

/* Parses a text that lies in memory of its own size. The caller frees *memory. */
static struct keys_file *parse(const char *text, size_t len, struct told *told, void **memory)
{
	const struct keys_errors errors = { "keys", tell, told };
	char *copy = malloc(len > 0 ? len : 1);
	struct keys_file *f;

	memset(told, 0, sizeof *told);
	memcpy(copy, text, len);
	*memory = malloc(keys_file_size(copy, len));
	f = keys_file_parse(*memory, copy, len, &errors);
	free(copy);
	if ((f == NULL) != (told->count > 0))
		fail_msg("%s, but it told: %s", f == NULL ? "refused" : "taken", told->text);
	return f;
}

static void contexts_are_read(void **state)
{
	static const char text[] =
		"# of the plant\r\n\n"
		"context pump-7\n"
		"\tcommon-iv 4622D4DD6d944168eefb54987c   # nothing hides\n"
		"\tsender - f0910ed7295e6ad4b54fc793154302ff\n"
		"\tid-context 37cbf3210017a2d3\n"
		"\tsender 01 none\n"
		"\talgorithm aes-ccm-16-64-128\n"
		"context other\n"
		"algorithm ChaCha20/Poly1305\n"
		"common-iv " IV_12 "\n"
		"id-context -\n"
		"sender 010203040506 none\n"
		"sender - " KEY_32; /* no newline */
	struct told told;
	void *memory;
	struct keys_file *f = parse(text, sizeof text - 1, &told, &memory);
	struct keys_context *c;

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->context_count, 2);
	assert_int_equal(f->group_count, 0);
	c = &f->contexts[0];
	assert_string_equal(c->name, "pump-7");
	assert_int_equal(c->line, 3);
	assert_int_equal(c->context.aead->alg, OSCORE_AES_CCM_16_64_128);
	assert_true(c->context.has_id_context && c->sender_has_key && !c->recipient_has_key);
	assert_true(hex_equal("id context", "37cbf3210017a2d3", c->context.id_context, c->context.id_context_len));
	assert_true(hex_equal("iv", IV_13, c->context.common_iv, 13));
	assert_true(hex_equal("key", KEY, c->context.sender.key.bytes, 16));
	assert_true(hex_equal("id", "", c->context.sender.id.bytes, c->context.sender.id.len));
	assert_true(hex_equal("id", "01", c->context.recipient.id.bytes, c->context.recipient.id.len));
	c = &f->contexts[1];
	assert_int_equal(c->context.aead->alg, OSCORE_CHACHA20_POLY1305);
	assert_true(c->context.has_id_context && c->context.id_context_len == 0 && !c->sender_has_key && c->recipient_has_key);
	assert_true(hex_equal("key", KEY_32, c->context.recipient.key.bytes, 32));
	keys_file_wipe(f);
	free(memory);
}

static void groups_are_read(void **state)
{
	static const char text[] = GROUP_HEAD "hkdf SHA-512\ncommon-iv " IV_13 "\ncountersignature four\n" MEMBER
		"member - credential a502 public-key " PUBLIC " key " KEY "\n" CONTEXT
		"group verify\ngid dd12\nalgorithm none\ngroup-algorithm A128CTR\nsignature EdDSA\nkey-agreement ECDH-SS-HKDF-256\n" GROUP_KEYS MEMBER;
	struct told told;
	void *memory;
	struct keys_file *f = parse(text, sizeof text - 1, &told, &memory);
	const struct oscore_group *g;

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->context_count, 1);
	assert_int_equal(f->group_count, 2);
	g = &f->groups[0].group;
	assert_string_equal(f->groups[0].name, "plant");
	assert_true(hex_equal("gid", "dd11", g->gid, g->gid_len));
	assert_true(g->algorithm->alg == OSCORE_AES_CCM_16_64_128 && g->aead == g->algorithm && g->signature == OSCORE_EDDSA);
	assert_true(g->hkdf == OSCORE_HKDF_SHA512 && g->key_agreement == 0 && g->four_elements && g->has_common_iv);
	assert_true(hex_equal("sek", KEY, g->signature_encryption_key.bytes, 16));
	assert_true(hex_equal("manager", "a5a5", g->manager_credential, g->manager_credential_len));
	assert_int_equal(g->member_count, 2);
	assert_true(hex_equal("member", "52", g->members[0].id.bytes, g->members[0].id.len));
	assert_true(hex_equal("credential", "a501", g->members[0].credential, g->members[0].credential_len));
	assert_true(hex_equal("public", PUBLIC, g->members[0].public_key, g->members[0].public_key_len));
	assert_true(!g->members[0].has_key && g->members[0].verifier != NULL);
	assert_true(g->members[1].has_key && g->members[1].id.len == 0);
	assert_true(hex_equal("key", KEY, g->members[1].key.bytes, 16));
	g = &f->groups[1].group;
	assert_true(g->aead == NULL && g->algorithm->alg == OSCORE_A128CTR && g->key_agreement == OSCORE_ECDH_SS_HKDF_256);
	assert_true(g->hkdf == OSCORE_HKDF_SHA256 && !g->four_elements && !g->has_common_iv && g->member_count == 1);
	keys_file_wipe(f);
	free(memory);
}

static const struct {
	const char *text, *error; /* the one error */
} faults[] = {
	{ "", "keys:1: holds no context and no group" },
	{ "# nothing\n\n", "keys:1: holds no context and no group" },
	/* no Master Secret */
	{ CONTEXT "master-secret 0102030405060708090a0b0c0d0e0f10\n", "keys:6: no Master Secret, salt or private key may lie on a gateway" },
	{ CONTEXT "salt 9e7ca92223786340\n", "keys:6: no Master Secret" },
	{ "master_secret 0102\n" CONTEXT, "keys:1: no Master Secret" },
	/* words */
	{ "algorithm AES-CCM-16-64-128\n" CONTEXT, "keys:1: stands before any block" },
	{ CONTEXT "sendr 02 none\n", "keys:6: unknown word \"sendr\"" },
	{ CONTEXT "gid 02\n", "keys:6: unknown word \"gid\"" },
	{ CONTEXT "context\nalgorithm AES-CCM-16-64-128\ncommon-iv " IV_13 "\nid-context 07\n" SENDERS, "keys:6: \"context\" wants one name" },
	{ CONTEXT "group a b\n" "gid dd11\n" GROUP_ALGORITHMS GROUP_KEYS MEMBER, "keys:6: \"group\" wants one name" },
	{ CONTEXT "context 1234567890123456789012345678901234567890123456789012345678901234\nalgorithm AES-CCM-16-64-128\ncommon-iv " IV_13 "\nid-context 07\n" SENDERS, "keys:6: \"context\" wants one name of at most 63" },
	{ HEAD "sender -\nsender 01 none\nsender 02 none\n", "keys:4: \"sender\" wants 2 values" },
	{ CONTEXT "id-context 01 02\n", "keys:6: \"id-context\" wants 1 value" },
	{ CONTEXT "sender\x01 02 none\n", "keys:6: a byte that is no printable ASCII" },
	{ CONTEXT "sender \xc3\xa4 none\n", "keys:6: a byte that is no printable ASCII" },
	{ CONTEXT "a b c d e f g h i j k\n", "keys:6: too many words" },
	/* missing and repeated */
	{ "context p\ncommon-iv " IV_13 "\n" SENDERS, "keys:1: \"algorithm\" is missing" },
	{ "context p\nalgorithm AES-CCM-16-64-128\n" SENDERS, "keys:1: \"common-iv\" is missing" },
	{ HEAD "sender - " KEY "\n", "keys:1: a context has two senders" },
	{ HEAD, "keys:1: a context has two senders" },
	{ CONTEXT "sender 02 none\n", "keys:6: a third sender" },
	{ CONTEXT "algorithm AES-CCM-16-64-128\n", "keys:6: \"algorithm\" for the second time" },
	{ CONTEXT "common-iv " IV_13 "\n", "keys:6: \"common-iv\" for the second time" },
	{ CONTEXT "id-context 01\nid-context 02\n", "keys:7: \"id-context\" for the second time" },
	/* values */
	{ "context p\nalgorithm AES-CCM\ncommon-iv " IV_13 "\n" SENDERS, "keys:2: unknown name; known are AES-CCM-16-64-128, " },
	{ "context p\nalgorithm A128CTR\ncommon-iv " IV_12 "\n" SENDERS, "keys:2: unknown name; known are AES-CCM-16-64-128, " },
	{ HEAD "sender - " KEY "0\nsender 01 none\n", "keys:4: the key has an odd number" },
	{ HEAD "sender - " KEY "zz\nsender 01 none\n", "keys:4: the key is not hexadecimal" },
	{ HEAD "sender - " KEY "00\nsender 01 none\n", "keys:4: the key has 17 bytes, and the algorithm wants 16" },
	{ HEAD "sender - -\nsender 01 none\n", "keys:4: the key has 0 bytes, and the algorithm wants 16" },
	{ HEAD "sender - " KEY_32 "00\nsender 01 none\n", "keys:4: the key is longer than 32 bytes" },
	{ HEAD "sender 0102030405060708 none\nsender 01 none\n", "keys:4: the ID is longer than 7 bytes" },
	{ HEAD "sender 01 " KEY "\nsender 01 none\n", "keys:5: both senders have this ID" },
	{ HEAD "sender - " KEY "\nsender - none\n", "keys:5: both senders have this ID" },
	{ "context p\nalgorithm A256GCM\ncommon-iv " IV_12 "\nsender - " KEY "\nsender 01 none\n", "keys:4: the key has 16 bytes, and the algorithm wants 32" },
	{ "context p\nalgorithm A128GCM\ncommon-iv " IV_13 "\n" SENDERS, "keys:3: the Common IV has 13 bytes, and the algorithm wants 12" },
	{ "context p\nalgorithm A128GCM\ncommon-iv " IV_12 "\nsender 01020304050607 none\nsender 01 none\n", "keys:4: an ID of 7 bytes: the nonce of the algorithm has room for 6" },
	{ "context p\nalgorithm AES-CCM-16-64-128\ncommon-iv " IV_12 "\n" SENDERS, "keys:3: the Common IV has 12 bytes" },
	/* who could not be told apart */
	{ CONTEXT "context q\nalgorithm AES-CCM-16-64-128\ncommon-iv " IV_13 "\nsender 02 none\nsender 01 none\n",
		"keys:6: \"pump\" and \"q\" have a sender of the same ID, under the same Common IV, and no ID Context" },
	{ CONTEXT "id-context 07\ncontext q\nalgorithm AES-CCM-16-64-128\nid-context 07\ncommon-iv " IV_13 "\nsender - none\nsender 03 none\n",
		"have a sender of the same ID, under the same Common IV, and the same ID Context" },
	/* groups */
	{ "group plant\n" GROUP_ALGORITHMS GROUP_KEYS MEMBER, "keys:1: \"gid\" is missing" },
	{ GROUP_HEAD, "keys:1: \"member\" is missing" },
	{ "group plant\ngid dd11\n" GROUP_ALGORITHMS "manager-credential a5\n" MEMBER, "keys:1: \"signature-encryption-key\" is missing" },
	{ GROUP_HEAD MEMBER "gid dd\n", "keys:10: \"gid\" for the second time" },
	{ GROUP_HEAD MEMBER MEMBER, "keys:10: an earlier member has this ID" },
	{ GROUP_HEAD "member 52 public-key a501 credential " PUBLIC " key none\n", "keys:9: a member is: member ID credential HEX public-key HEX key HEX|none" },
	{ GROUP_HEAD "member 52 credential a501 public-key " PUBLIC "00 key none\n", "keys:9: the public key is none of the signature algorithm" },
	{ GROUP_HEAD "member 52 credential a501 public-key " PUBLIC " key " KEY "\n", "keys:9: a member's key is of no use without the Common IV" },
	{ GROUP_HEAD "common-iv " IV_13 "\nmember 52 credential a501 public-key " PUBLIC " key " KEY "00\n", "keys:10: the key has 17 bytes" },
	{ GROUP_HEAD "common-iv " IV_12 "\n" MEMBER, "keys:9: the Common IV has 12 bytes, and the algorithm wants 13" },
	{ GROUP_HEAD MEMBER "countersignature six\n", "keys:10: countersignature has" },
	{ GROUP_HEAD MEMBER "hkdf MD5\n", "keys:10: unknown name; known are SHA-256, SHA-512" },
	{ "group plant\ngid dd11\nalgorithm none\ngroup-algorithm A128CTR\nsignature RSA\nkey-agreement none\n" GROUP_KEYS MEMBER, "keys:5: unknown name; known are EdDSA, ES256" },
	{ "group plant\ngid dd11\nalgorithm none\ngroup-algorithm A256CTR\nsignature EdDSA\nkey-agreement none\n" GROUP_KEYS MEMBER,
		"keys:7: the Signature Encryption Key has 16 bytes, and the algorithm wants 32" },
	{ GROUP_HEAD MEMBER "group other\ngid dd11\n" GROUP_ALGORITHMS GROUP_KEYS MEMBER, "keys:10: \"plant\" has the same Gid" },
	{ GROUP_HEAD "master-secret 00\n" MEMBER, "keys:9: no Master Secret" },
};

static void whatever_is_wrong_is_told(void **state)
{
	struct told told;
	void *memory;

	(void)state;
	covers("C8613-3.3-1 C8613-3.3-2");
	for (size_t i = 0; i < COUNT(faults); i++) {
		size_t size = keys_file_size(faults[i].text, strlen(faults[i].text));

		assert_null(parse(faults[i].text, strlen(faults[i].text), &told, &memory));
		if (told.count != 1 || strstr(told.text, faults[i].error) == NULL)
			fail_msg("%zu: expected \"%s\", was told: %s", i, faults[i].error, told.text);
		/* and nothing is left */
		for (size_t at = 0; at < size; at++)
			assert_int_equal(((uint8_t *)memory)[at], 0);
		free(memory);
	}
}

/* All errors of a file in one run; of no line a value. */
static void all_errors_are_told_and_no_value(void **state)
{
	static const char text[] = "context p\nalgorithm X\ncommon-iv " IV_13 "0\nsender - " KEY "zz\n" KEY "\ndeadbeefdeadbeef\nsender 01 none\n"
		"context q\ngroup r\ngid " KEY "\n";
	struct told told;
	void *memory;

	(void)state;
	assert_null(parse(text, sizeof text - 1, &told, &memory));
	free(memory);
	assert_true(told.count >= 9);
	assert_non_null(strstr(told.text, "keys:2: "));
	assert_non_null(strstr(told.text, "keys:3: "));
	assert_non_null(strstr(told.text, "keys:4: "));
	assert_non_null(strstr(told.text, "keys:5: begins with no word that is known"));
	assert_non_null(strstr(told.text, "keys:6: begins with no word that is known"));
	assert_non_null(strstr(told.text, "keys:8: "));
	assert_non_null(strstr(told.text, "keys:9: "));
	assert_null(strstr(told.text, "f0910e"));
	assert_null(strstr(told.text, "4622d4"));
	assert_null(strstr(told.text, "deadbeef"));
}

/* The same ID is another sender's where the ID Context differs, or there is none, or the Common IV does: it was another Master Secret. */
static void contexts_differ_by_their_id_context(void **state)
{
	static const char text[] = CONTEXT CONTEXT "id-context 01\n" CONTEXT "id-context 0102\n" CONTEXT "id-context -\n"
		"context other\nalgorithm AES-CCM-16-64-128\ncommon-iv 00" IV_12 "\n" SENDERS;
	struct told told;
	void *memory;
	struct keys_file *f = parse(text, sizeof text - 1, &told, &memory);

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->context_count, 5);
	keys_file_wipe(f);
	free(memory);
}

/* Every beginning of a text is read, or refused, and nothing behind it. */
static void cut_texts_are_no_trouble(void **state)
{
	static const char text[] = CONTEXT GROUP_HEAD "common-iv " IV_13 "\n" MEMBER "member - credential a502 public-key " PUBLIC " key " KEY "\n";
	struct told told;
	void *memory;

	(void)state;
	for (size_t len = 0; len < sizeof text; len++) {
		keys_file_wipe(parse(text, len, &told, &memory));
		free(memory);
	}
}

enum { PIECE_MAX = 256 };

static void context_piece(char *out, unsigned i)
{
	snprintf(out, PIECE_MAX, "context p%x\nalgorithm AES-CCM-16-64-128\ncommon-iv " IV_13 "\nid-context %08x\n" SENDERS, i, i);
}

static void member_piece(char *out, unsigned i)
{
	snprintf(out, PIECE_MAX, "member %02x credential a5 public-key " PUBLIC " key none\n", i);
}

static void nonsense_piece(char *out, unsigned i)
{
	snprintf(out, PIECE_MAX, "x%x\n", i);
}

/* A text of `head` and so many pieces; the caller frees it. */
static char *repeated(const char *head, void (*piece)(char *out, unsigned i), unsigned count)
{
	char *text = malloc(strlen(head) + count * PIECE_MAX + 1), *at = stpcpy(text, head);

	for (unsigned i = 0; i < count; i++) {
		piece(at, i);
		at += strlen(at);
	}
	return text;
}

/* A text that is refused for this one error. */
static void refused(char *text, const char *error)
{
	struct told told;
	void *memory;

	assert_null(parse(text, strlen(text), &told, &memory));
	assert_int_equal(told.count, 1);
	assert_non_null(strstr(told.text, error));
	free(memory);
	free(text);
}

static void limits_are_kept(void **state)
{
	char *text = repeated("", context_piece, KEYS_CONTEXTS_MAX);
	struct told told;
	void *memory;
	struct keys_file *f = parse(text, strlen(text), &told, &memory);

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->context_count, KEYS_CONTEXTS_MAX);
	keys_file_wipe(f);
	free(memory);
	free(text);
	refused(repeated("", context_piece, KEYS_CONTEXTS_MAX + 1), "more than 16384 contexts in a file");
	refused(repeated(GROUP_HEAD, member_piece, OSCORE_GROUP_MEMBERS_MAX + 1), "more than 64 members");

	text = repeated(CONTEXT "sender 02 none # ", nonsense_piece, KEYS_LINE_MAX);
	for (char *at = text + strlen(CONTEXT); *at != '\0'; at++)
		if (*at == '\n')
			*at = ' ';
	refused(text, "keys:6: a line longer than 8192 bytes");

	/* there is an end to what is told */
	text = repeated("", nonsense_piece, 1000);
	assert_null(parse(text, strlen(text), &told, &memory));
	assert_int_equal(told.count, KEYS_ERRORS_MAX + 1);
	assert_non_null(strstr(told.text, "there are more errors"));
	free(memory);
	free(text);
}

static void algorithms_have_names(void **state)
{
	static const int algs[] = { 1, 3, 10, 11, 24, 30, 31 };
	int number;

	(void)state;
	for (size_t i = 0; i < COUNT(algs); i++) {
		const char *name = oscore_names_name(OSCORE_NAMES_AEAD, algs[i]);

		assert_non_null(oscore_aead_row(algs[i]));
		assert_non_null(name);
		assert_true(oscore_names_number(OSCORE_NAMES_AEAD, name, strlen(name), &number) && number == algs[i]);
		assert_non_null(strstr(oscore_names_all(OSCORE_NAMES_AEAD), name));
		assert_non_null(strstr(oscore_names_all(OSCORE_NAMES_GROUP), name));
	}
	for (int alg = OSCORE_A128CTR; alg <= OSCORE_A256CTR; alg++) {
		assert_null(oscore_names_name(OSCORE_NAMES_AEAD, alg));
		assert_non_null(oscore_names_name(OSCORE_NAMES_GROUP, alg));
	}
	assert_true(oscore_names_number(OSCORE_NAMES_AEAD, "AES-128-GCM", 11, &number) && number == 1);
	assert_false(oscore_names_number(OSCORE_NAMES_AEAD, "AES-128-GC", 10, &number));
	assert_false(oscore_names_number(OSCORE_NAMES_AEAD, "", 0, &number));
	assert_null(oscore_names_name(OSCORE_NAMES_SIGNATURE, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts_are_read),
		cmocka_unit_test(groups_are_read),
		cmocka_unit_test(whatever_is_wrong_is_told),
		cmocka_unit_test(all_errors_are_told_and_no_value),
		cmocka_unit_test(contexts_differ_by_their_id_context),
		cmocka_unit_test(cut_texts_are_no_trouble),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(algorithms_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

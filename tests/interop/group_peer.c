/* objects: oscore/option.o oscore/context.o oscore/derive.o oscore/unseal.o GROUP_OBJS tools/group_seal.o tools/group_derive.o tools/group_member.o coap/message.o base/hash.o base/random.o base/log.o base/clock.o */
/*
 * group-peer - a member of a Group OSCORE group, and a reader beside it, by our own code: a question a line, an answer a line. Bytes are
 * hexadecimal, "-" is none; INNER is code, options and payload.
 *
 *   group GID ALGORITHM AEAD SIGNATURE KEY-AGREEMENT HKDF SECRET SALT MANAGER    COSE numbers, 0 is none; HKDF 256 or 512
 *   member KID CREDENTIAL PUBLIC-KEY
 *   self KID PRIVATE-KEY             the member that it is: answers "ready"
 *   ask INNER                        OPTION PAYLOAD of its own request, which the next `response` answers
 *   request OPTION PAYLOAD           "accepted INNER", or why it was dropped; the next `answer` is to it
 *   answer bare|numbered INNER       OPTION PAYLOAD
 *   response OPTION PAYLOAD          "accepted INNER", or why it was dropped
 *   bundle PROFILE KID...            the reader holds this from now on (verify-only, read-responses, read-both; the KIDs are servers)
 *   read OPTION PAYLOAD [OPTION]     what the reader makes of a request, or of a response to a request with the second option
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/group_derive.h"
#include "tools/group_member.h"

enum { LINE_ROOM = 300000, MEMBERS = 8, BYTES_ROOM = OSCORE_GROUP_PAYLOAD_MAX + 64 };

struct bytes {
	size_t len;
	uint8_t at[BYTES_ROOM];
};

static struct oscore_group group, bundle;
static struct oscore_group_member members[MEMBERS], bundle_members[MEMBERS];
static struct oscore_master_key master;
static struct bytes salt;
static struct group_member self;
static struct group_exchange exchange;
static struct oscore_group_request asked;

/* The test is at fault. */
static void must(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "group-peer: %s\n", what);
	exit(2);
}

static char *word(char **rest)
{
	char *w = strtok_r(*rest, " ", rest);

	must(w != NULL, "a word is missing");
	return w;
}

static void read_bytes(char **rest, struct bytes *b)
{
	const char *w = word(rest);

	b->len = strcmp(w, "-") == 0 ? 0 : strlen(w) / 2;
	must(b->len <= sizeof b->at, "too long");
	for (size_t i = 0; i < b->len; i++) {
		int high = byte_hex(w[2 * i]), low = byte_hex(w[2 * i + 1]);

		must(high >= 0 && low >= 0, "no hexadecimal");
		b->at[i] = (uint8_t)(high << 4 | low);
	}
}

/* Reads into a field of the structs, and returns its length. */
static size_t read_field(char **rest, void *field, size_t room)
{
	static struct bytes b;

	read_bytes(rest, &b);
	must(b.len <= room, "too long for its field");
	memcpy(field, b.at, b.len);
	return b.len;
}

static int read_number(char **rest)
{
	return (int)strtol(word(rest), NULL, 10);
}

static void print_bytes(const uint8_t *bytes, size_t len)
{
	if (len == 0)
		putchar('-');
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
}

/* A message that opened, as INNER. */
static void print_inner(const char *verdict, const struct msg_view *inner)
{
	printf("%s ", verdict);
	print_bytes(&inner->code, 1);
	if (inner->len > MSG_HEADER)
		print_bytes(inner->bytes + MSG_HEADER, inner->len - MSG_HEADER);
	putchar('\n');
}

static void print_sealed(const struct group_sealed *s)
{
	print_bytes(s->option, s->option_len);
	putchar(' ');
	print_bytes(s->payload, s->payload_len);
	putchar('\n');
}

/* INNER as the datagram that the sealer takes. */
static void read_inner(char **rest, struct bytes *datagram)
{
	static struct bytes inner;

	read_bytes(rest, &inner);
	must(inner.len > 0 && inner.len + MSG_HEADER <= sizeof datagram->at, "no message");
	memcpy(datagram->at, (uint8_t[]){ 0x50, inner.at[0], 0, 0 }, MSG_HEADER);
	memcpy(datagram->at + MSG_HEADER, inner.at + 1, inner.len - 1);
	datagram->len = MSG_HEADER + inner.len - 1;
}

static void on_group(char *rest)
{
	int aead;

	memset(&group, 0, sizeof group);
	group.gid_len = (uint8_t)read_field(&rest, group.gid, sizeof group.gid);
	group.algorithm = oscore_group_algorithm(read_number(&rest));
	aead = read_number(&rest);
	group.aead = aead == 0 ? NULL : oscore_aead_row(aead);
	must(group.algorithm != NULL, "no such algorithm");
	group.signature = read_number(&rest);
	group.key_agreement = read_number(&rest);
	group.hkdf = read_number(&rest) == 512 ? OSCORE_HKDF_SHA512 : OSCORE_HKDF_SHA256;
	master.len = read_field(&rest, master.bytes, sizeof master.bytes);
	read_bytes(&rest, &salt);
	group.manager_credential_len = (uint16_t)read_field(&rest, group.manager_credential, sizeof group.manager_credential);
	group.members = members;
}

static void on_member(char *rest)
{
	struct oscore_group_member *m = &members[group.member_count++];

	must(group.member_count <= MEMBERS, "too many members");
	memset(m, 0, sizeof *m);
	m->id.len = (uint8_t)read_field(&rest, m->id.bytes, sizeof m->id.bytes);
	m->credential_len = (uint16_t)read_field(&rest, m->credential, sizeof m->credential);
	m->public_key_len = (uint8_t)read_field(&rest, m->public_key, sizeof m->public_key);
}

static void on_self(char *rest)
{
	struct group_signer signer = { .group = &group };
	struct oscore_id id;
	uint8_t key[GROUP_PRIVATE_KEY];
	size_t at;

	id.len = (uint8_t)read_field(&rest, id.bytes, sizeof id.bytes);
	must(read_field(&rest, key, sizeof key) == sizeof key, "no private key");
	must(group_derive(&group, &master, salt.at, salt.len) == 0, "no keys");
	must(oscore_group_prepare(&group, &at) == OSCORE_GROUP_SOUND, "the group is not sound");
	signer.self = oscore_group_member(&group, id.bytes, id.len);
	must(signer.self != NULL, "is no member");
	signer.private_key = group_private_key(group.signature, key, signer.self->public_key, signer.self->public_key_len);
	must(signer.private_key != NULL, "the private key is not taken");
	must(group_member_init(&self, &signer) == 0, "no memory");
	puts("ready");
}

static void on_ask(char *rest)
{
	static struct bytes inner;
	static struct group_sealed sealed;

	read_inner(&rest, &inner);
	must(group_member_ask(&self, &sealed, &exchange, inner.at, inner.len) == 0, "not sealed");
	print_sealed(&sealed);
}

static void on_answer(char *rest)
{
	static struct bytes inner;
	static struct group_sealed sealed;
	bool numbered = strcmp(word(&rest), "numbered") == 0;

	read_inner(&rest, &inner);
	must(group_member_answer(&self, &sealed, &asked, numbered, inner.at, inner.len) == 0, "not sealed");
	print_sealed(&sealed);
}

static void on_message(char *rest, bool response)
{
	static struct bytes option, payload, plain;
	struct msg_view inner;
	enum group_verdict verdict;

	read_bytes(&rest, &option);
	read_bytes(&rest, &payload);
	if (response)
		verdict = group_member_take_response(&self, &exchange, option.at, option.len, payload.at, payload.len, plain.at, sizeof plain.at, &inner);
	else
		verdict = group_member_take_request(&self, option.at, option.len, payload.at, payload.len, plain.at, sizeof plain.at, &inner, &asked);
	if (verdict == GROUP_ACCEPTED)
		print_inner("accepted", &inner);
	else
		puts(group_verdict_text(verdict));
}

static void on_bundle(char *rest)
{
	static const char *const profiles[] = { "verify-only", "read-responses", "read-both" };
	bool is_server[MEMBERS] = { false };
	const char *profile = word(&rest);
	size_t which = 0, at;

	while (which < 2 && strcmp(profile, profiles[which]) != 0)
		which++;
	while (*rest != '\0') {
		struct oscore_id id;
		const struct oscore_group_member *m;

		id.len = (uint8_t)read_field(&rest, id.bytes, sizeof id.bytes);
		m = oscore_group_member(&group, id.bytes, id.len);
		must(m != NULL, "no such server");
		is_server[m - group.members] = true;
	}
	oscore_group_wipe(&bundle);
	bundle = group;
	bundle.members = bundle_members;
	memcpy(bundle_members, members, sizeof members);
	for (size_t i = 0; i < bundle.member_count; i++)
		bundle_members[i].verifier = NULL;
	group_restrict(&bundle, (enum group_profile)which, is_server);
	must(oscore_group_prepare(&bundle, &at) == OSCORE_GROUP_SOUND, "the bundle is not sound");
	puts(profile);
}

static const char *result_text(enum oscore_group_result result)
{
	switch (result) {
	case OSCORE_GROUP_VERIFIED:
		return "verified";
	case OSCORE_GROUP_STRANGER:
		return "stranger";
	case OSCORE_GROUP_SIGNATURE:
		return "signature";
	case OSCORE_GROUP_TAG:
		return "tag";
	case OSCORE_GROUP_INNER:
		return "inner";
	case OSCORE_GROUP_FORMAT:
	case OSCORE_GROUP_SIZE:
		return "format";
	default:
		return "broken";
	}
}

static void on_read(char *rest)
{
	static struct bytes option, payload, request_option, plain;
	struct oscore_group_request request;
	struct oscore_group_message message;
	struct oscore_option parsed;
	struct msg_view inner;
	bool response;
	enum oscore_group_result result = OSCORE_GROUP_FORMAT;

	read_bytes(&rest, &option);
	read_bytes(&rest, &payload);
	response = *rest != '\0';
	if (response) {
		read_bytes(&rest, &request_option);
		must(oscore_option_parse(&parsed, request_option.at, request_option.len, OSCORE_FLAG_GROUP) == 0 &&
			oscore_group_request_of(&request, &parsed) == 0, "no request");
	}
	if (oscore_group_message_init(&message, option.at, option.len, payload.at, payload.len, response ? &request : NULL) == 0)
		result = oscore_group_open(self.opener, &bundle, &message, plain.at, sizeof plain.at, &inner);
	if (result == OSCORE_GROUP_OPENED)
		print_inner("opened", &inner);
	else
		puts(result_text(result));
}

static void answer_line(char *line)
{
	char *rest = line;
	const char *what = word(&rest);

	if (strcmp(what, "group") == 0)
		on_group(rest);
	else if (strcmp(what, "member") == 0)
		on_member(rest);
	else if (strcmp(what, "self") == 0)
		on_self(rest);
	else if (strcmp(what, "ask") == 0)
		on_ask(rest);
	else if (strcmp(what, "answer") == 0)
		on_answer(rest);
	else if (strcmp(what, "request") == 0)
		on_message(rest, false);
	else if (strcmp(what, "response") == 0)
		on_message(rest, true);
	else if (strcmp(what, "bundle") == 0)
		on_bundle(rest);
	else if (strcmp(what, "read") == 0)
		on_read(rest);
	else
		must(false, what);
	fflush(stdout);
}

int main(void)
{
	static char line[LINE_ROOM];

	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '\0')
			answer_line(line);
	}
	EVP_PKEY_free(self.signer.private_key);
	group_member_fini(&self);
	oscore_group_wipe(&bundle);
	oscore_group_wipe(&group);
	return 0;
}

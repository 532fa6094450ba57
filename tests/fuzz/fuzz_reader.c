/* objects: READER_PART_OBJS base/clock.o oscore/derive.o tools/seal.o tools/keys_print.o tests/unit/reader_world.o */
/* measures: oscore/reader/open.c oscore/reader/bodies.c oscore/reader/table.c */
/*
 * A worker that was taken over asks the reader. With a first byte of 0 a packet of questions follows, as it would come. With any other a script: each
 * step protects what it says, in truth, under one of the contexts, and asks about it; what is genuine is always opened or found to be no message,
 * and the answer can be sent and understood.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/script.h"
#include "tests/unit/reader_world.h"

enum { CONTEXTS = 3, STEPS_MAX = 64 };

/* A group beside the plain contexts, of whose messages none will verify. */
static const char group[] =
	"group plant\ngid dd11\nalgorithm AES-CCM-16-64-128\ngroup-algorithm AES-CCM-16-64-128\nsignature EdDSA\nkey-agreement none\n"
	"common-iv 47eb80969ab73847084dd6f996\nsignature-encryption-key 85ca7c0bc5b8ea2e267b203dc3b71ce6\nmanager-credential a501\n"
	"member 52 credential a502 public-key 77ec358c1d344e41ee0e87b8383d23a2099acd39bdf989ce45b52e887463389b key a8c8b7db5d05cfc7faa2bb1afaca6c2f\n"
	"member - credential a503 public-key 77ec358c1d344e41ee0e87b8383d23a2099acd39bdf989ce45b52e887463389b key none\n";

/* What is held lies in the vault, a mapping in which leaks are not looked for, so all that it points to would be one. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

static struct reader_world world;
static struct oscore_context clients[CONTEXTS], servers[CONTEXTS];
static struct opening_answer again;

static void world_make(void)
{
	static const char *const kids[CONTEXTS] = { "", "a", "a" }, *const id_contexts[CONTEXTS] = { NULL, "one", "two" };
	static char text[8192];

	world_start(&world);
	for (uint8_t i = 0; i < CONTEXTS; i++) {
		world_context(&clients[i], i, kids[i], "s", id_contexts[i], false);
		world_context(&servers[i], i, kids[i], "s", id_contexts[i], true);
		world_print_context(text, sizeof text, id_contexts[i] != NULL ? id_contexts[i] : "none", &clients[i], true, true);
	}
	strcat(text, group);
	world_provision(&world, text, 0);
}

/* What is answered fits into a packet, and says the same when it is read. */
static void answer_check(const struct opening_answer *a, uint32_t fields)
{
	static uint8_t packet[OPENING_PACKET_MAX];
	struct writer w;
	struct reader r;

	CHECK(a->verdict < OPENING_VERDICTS && (a->verdict != OPENING_OPENED || (a->inner.fields & ~fields) == 0));
	writer_init(&w, packet, sizeof packet);
	CHECK(opening_answer_write(&w, a) == 0);
	reader_init(&r, packet, writer_length(&w));
	CHECK(opening_answer_read(&r, &again) == 1 && reader_left(&r) == 0);
	CHECK(again.verdict == a->verdict && again.inner.payload_len == (a->verdict == OPENING_OPENED && (a->inner.fields & FIELD_BIT(FIELD_PAYLOAD)) ?
		a->inner.payload_len : 0));
}

static void packet_take(const uint8_t *data, size_t size)
{
	struct opening_question q;
	struct reader r;

	reader_init(&r, data, size);
	while (opening_question_read(&r, &q) == 1) {
		q.set = q.set == 0 ? WORLD_SET : q.set;
		world_ask_bytes(&world, &q);
		answer_check(&world.answer, q.fields);
	}
}

/* What a script has protected last as a request of each context. */
struct asked {
	bool is_there;
	struct oscore_request request;
	struct sealed sealed;
};

static int step_seal(struct sealed *s, struct asked *asked, size_t context, bool response, bool numbered, const uint8_t *inner, size_t len)
{
	static uint64_t sequences[CONTEXTS][2];
	uint64_t *sequence = &sequences[context][response];

	if (!response)
		return seal_request(s, &asked->request, &clients[context], (*sequence)++, inner, len);
	(*sequence)++;
	return seal_response(s, &asked->request, &servers[context], numbered ? sequence : NULL, inner, len);
}

/* How (1), fields (2), code (1), length (1), and so many bytes of options and payload. */
static void step_take(void)
{
	static struct asked asked[CONTEXTS];
	static struct sealed s;
	unsigned how = take(), high = take(), fields = (high << 8 | take()) & WORLD_FIELDS_ALL;
	uint8_t inner[4 + 255] = { 0x40, (uint8_t)take() };
	size_t len = take(), context = (how & 3) % CONTEXTS;
	bool response = (how & 4) != 0 && asked[context].is_there;
	enum opening_verdict v;

	len = take_bytes(inner + 4, len);
	if (step_seal(&s, &asked[context], context, response, (how & 8) != 0, inner, len + 4) < 0)
		return;
	if (!response) {
		asked[context].sealed = s;
		asked[context].is_there = true;
	}
	v = world_ask(&world, &s, response ? &asked[context].sealed : NULL, fields);
	CHECK(v == OPENING_OPENED || v == OPENING_INNER);
	answer_check(&world.answer, fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;

	if (!made)
		world_make();
	made = true;
	if (size == 0)
		return 0;
	if (data[0] == 0) {
		packet_take(data + 1, size - 1);
	} else {
		script.at = data + 1;
		script.left = size - 1;
		for (int step = 0; step < STEPS_MAX && script.left > 0; step++)
			step_take();
	}
	opener_use(world.opener, world.table);
	return 0;
}

/* objects: oscore/option.o oscore/context.o oscore/derive.o oscore/unseal.o tools/seal.o coap/message.o base/hash.o base/random.o base/log.o base/clock.o */
/*
 * RFC 8613's own vectors, in both roles: what the client protects the server opens, and the other way round, bit by bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oscore/derive.h"
#include "oscore/unseal.h"
#include "tests/data/rfc8613-vectors.h"
#include "tests/unit/covers.h"
#include "tests/unit/hex.h"
#include "tools/seal.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { CLIENT, SERVER };

/* A vector's parameters; the structs it points into live in it. */
struct material {
	struct oscore_master_key master;
	struct hex salt, sender_id, recipient_id, id_context;
	struct oscore_parameters parameters;
};

static void material_fill(struct material *m, const struct vector_context *v)
{
	struct hex secret = hex_parse(v->master_secret);

	m->master.len = secret.len;
	memcpy(m->master.bytes, secret.bytes, secret.len);
	m->salt = hex_parse(v->master_salt);
	m->sender_id = hex_parse(v->sender_id);
	m->recipient_id = hex_parse(v->recipient_id);
	m->id_context = hex_parse(v->id_context);
	m->parameters = (struct oscore_parameters){
		.aead = OSCORE_AES_CCM_16_64_128, .hkdf = OSCORE_HKDF_SHA256, .master = &m->master,
		.salt = m->salt.bytes, .salt_len = m->salt.len,
		.sender_id = m->sender_id.bytes, .sender_id_len = m->sender_id.len,
		.recipient_id = m->recipient_id.bytes, .recipient_id_len = m->recipient_id.len,
		.id_context = v->id_context == NULL ? NULL : m->id_context.bytes, .id_context_len = m->id_context.len,
	};
}

/* Contexts come in pairs, a client's (x.y.1) and its server's (x.y.2). */
static void context_fill(struct oscore_context *c, const char *id, int role)
{
	for (size_t i = 0; i < COUNT(vector_contexts); i++) {
		struct material m;

		if (strncmp(vector_contexts[i].id, id, 3) != 0 || vector_contexts[i].id[4] != '1' + role)
			continue;
		material_fill(&m, &vector_contexts[i]);
		assert_int_equal(oscore_derive_context(c, &m.parameters), 0);
		return;
	}
	fail_msg("no context %s", id);
}

static const struct vector_message *vector_message(const char *id)
{
	for (size_t i = 0; i < COUNT(vector_messages); i++)
		if (strcmp(vector_messages[i].id, id) == 0)
			return &vector_messages[i];
	fail_msg("no message %s", id);
	return NULL;
}

/* The vector's plaintext as a datagram without token, as seal wants it. */
static struct hex inner_of(const struct vector_message *v)
{
	struct hex plain = hex_parse(v->plaintext), inner = { 0 };

	inner.bytes[0] = 0x50;
	inner.bytes[1] = plain.bytes[0];
	memcpy(inner.bytes + MSG_HEADER, plain.bytes + 1, plain.len - 1);
	inner.len = MSG_HEADER + plain.len - 1;
	return inner;
}

static void request_of(struct oscore_request *r, const char *kid, const char *piv)
{
	struct hex kid_bytes = hex_parse(kid), piv_bytes = hex_parse(piv);

	memset(r, 0, sizeof *r);
	r->kid.len = (uint8_t)kid_bytes.len;
	memcpy(r->kid.bytes, kid_bytes.bytes, kid_bytes.len);
	r->piv_len = (uint8_t)piv_bytes.len;
	memcpy(r->piv, piv_bytes.bytes, piv_bytes.len);
}

static void contexts_are_derived(void **state)
{
	(void)state;
	covers("C8613-C-1 C8613-3.2.1-1 C8613-3.2.1-2 C8613-5.2-1");
	for (size_t i = 0; i < COUNT(vector_contexts); i++) {
		const struct vector_context *v = &vector_contexts[i];
		struct material m;
		struct oscore_context c;
		uint8_t info[OSCORE_INFO_MAX], nonce[OSCORE_NONCE_MAX];
		size_t len;

		material_fill(&m, v);
		len = oscore_derive_info(info, &m.parameters, m.sender_id.bytes, m.sender_id.len, "Key", 16);
		assert_true(hex_equal(v->id, v->sender_info, info, len));
		len = oscore_derive_info(info, &m.parameters, m.recipient_id.bytes, m.recipient_id.len, "Key", 16);
		assert_true(hex_equal(v->id, v->recipient_info, info, len));
		len = oscore_derive_info(info, &m.parameters, NULL, 0, "IV", 13);
		assert_true(hex_equal(v->id, v->iv_info, info, len));

		assert_int_equal(oscore_derive_context(&c, &m.parameters), 0);
		assert_true(hex_equal(v->id, v->sender_key, c.sender.key.bytes, c.aead->key_len));
		assert_true(hex_equal(v->id, v->recipient_key, c.recipient.key.bytes, c.aead->key_len));
		assert_true(hex_equal(v->id, v->common_iv, c.common_iv, c.aead->nonce_len));
		oscore_nonce_write(nonce, &c, &c.sender.id, (const uint8_t *)"", 1);
		assert_true(hex_equal(v->id, v->sender_nonce, nonce, c.aead->nonce_len));
		oscore_nonce_write(nonce, &c, &c.recipient.id, (const uint8_t *)"", 1);
		assert_true(hex_equal(v->id, v->recipient_nonce, nonce, c.aead->nonce_len));
		oscore_context_wipe(&c);
		assert_int_equal(c.sender.key.bytes[0] | c.recipient.key.bytes[0] | c.common_iv[0], 0);
	}
}

static void aad_and_nonces_are_built(void **state)
{
	const struct oscore_aead *aead = oscore_aead_row(OSCORE_AES_CCM_16_64_128);
	uint8_t aad[OSCORE_AAD_MAX], nonce[OSCORE_NONCE_MAX];
	struct oscore_request r;
	size_t len;

	(void)state;
	covers("C8613-5.4-1 C8613-5.2-1 C8613-5.2-2");
	request_of(&r, vector_aad.request_kid, vector_aad.request_piv);
	len = oscore_aad_write(aad, aead, &r);
	assert_true(hex_equal("5.4", vector_aad.aad, aad, len));
	for (size_t i = 0; i < COUNT(vector_messages); i++) {
		const struct vector_message *v = &vector_messages[i];
		const struct vector_message *request = v->in_reply_to == NULL ? v : vector_message(v->in_reply_to);
		struct oscore_context c;
		struct hex piv = hex_parse(v->piv);

		request_of(&r, request->kid, request->piv);
		context_fill(&c, v->context, v->in_reply_to == NULL ? CLIENT : SERVER);
		len = oscore_aad_write(aad, aead, &r);
		assert_true(hex_equal(v->id, v->aad, aad, len));
		if (v->piv != NULL)
			oscore_nonce_write(nonce, &c, &c.sender.id, piv.bytes, piv.len);
		else
			oscore_nonce_write(nonce, &c, &r.kid, r.piv, r.piv_len);
		assert_true(hex_equal(v->id, v->nonce, nonce, sizeof nonce));
	}
}

/* With kid and Partial IV at their limits the longest AAD of plain OSCORE fits. */
static void longest_aad_fits(void **state)
{
	uint8_t aad[OSCORE_AAD_MAX];
	struct oscore_request r;
	size_t len;

	(void)state;
	request_of(&r, "01020304050607", "ffffffffff");
	len = oscore_aad_write(aad, oscore_aead_row(31), &r);
	assert_true(hex_equal("limits", "8368456e63727970743040" "54" "850181181f" "4701020304050607" "45ffffffffff" "40", aad, len));
}

/* Outer message with the options of the vector's unprotected one that stay outside (Uri-Host) and OSCORE. */
static void check_outer(const struct vector_message *v, const struct sealed *s, uint8_t outer_code)
{
	struct hex plain = hex_parse(v->unprotected);
	uint8_t bytes[512];
	struct msg_view m;
	struct msg_writer w;
	const struct msg_option *host;

	assert_int_equal(msg_parse_datagram(&m, plain.bytes, plain.len), MSG_OK);
	msg_begin(&w, bytes, sizeof bytes, m.type, outer_code, m.mid, m.token, m.token_len);
	host = msg_option(&m, 3);
	if (host != NULL)
		msg_add_option(&w, 3, host->value, host->len);
	msg_add_option(&w, 9, s->option, s->option_len);
	msg_add_payload(&w, s->payload, s->payload_len);
	assert_true(hex_equal(v->id, v->protected_bytes, bytes, msg_end(&w)));
}

static void messages_are_sealed_as_printed(void **state)
{
	(void)state;
	covers("C8613-C-1 C8613-5-1 C8613-5.3-1");
	for (size_t i = 0; i < COUNT(vector_messages); i++) {
		const struct vector_message *v = &vector_messages[i];
		struct hex inner = inner_of(v);
		struct oscore_context c;
		struct oscore_request r;
		struct sealed s;
		uint64_t sequence = v->sequence;

		context_fill(&c, v->context, v->in_reply_to == NULL ? CLIENT : SERVER);
		if (v->in_reply_to == NULL) {
			assert_int_equal(seal_request(&s, &r, &c, sequence, inner.bytes, inner.len), 0);
		} else {
			request_of(&r, vector_message(v->in_reply_to)->kid, vector_message(v->in_reply_to)->piv);
			assert_int_equal(seal_response(&s, &r, &c, v->piv == NULL ? NULL : &sequence, inner.bytes, inner.len), 0);
		}
		assert_true(hex_equal(v->id, v->option, s.option, s.option_len));
		assert_true(hex_equal(v->id, v->ciphertext, s.payload, s.payload_len));
		check_outer(v, &s, v->in_reply_to == NULL ? CODE_POST : CODE_CHANGED);
	}
}

/* What opening a vector needs. */
struct opening {
	struct oscore_context c;
	struct oscore_unsealer *unsealer;
	struct oscore_request request;
	struct oscore_option option;
	struct hex value, payload;
	uint8_t bytes[512];
	struct msg_view inner;
};

static void opening_init(struct opening *o, const struct vector_message *v)
{
	memset(o, 0, sizeof *o);
	context_fill(&o->c, v->context, v->in_reply_to == NULL ? SERVER : CLIENT);
	o->unsealer = oscore_unsealer_new(o->c.aead);
	assert_non_null(o->unsealer);
	if (v->in_reply_to != NULL)
		request_of(&o->request, vector_message(v->in_reply_to)->kid, vector_message(v->in_reply_to)->piv);
	o->value = hex_parse(v->option);
	o->payload = hex_parse(v->ciphertext);
	assert_int_equal(oscore_option_parse(&o->option, o->value.bytes, o->value.len, 0), 0);
}

static enum oscore_unseal_result opening_try(struct opening *o, const struct vector_message *v, size_t payload_len,
	size_t capacity)
{
	memset(o->bytes, 0xa5, sizeof o->bytes);
	if (v->in_reply_to != NULL)
		return oscore_unseal_response(o->unsealer, &o->c, &o->c.recipient, &o->request, &o->option, o->payload.bytes,
			payload_len, o->bytes, capacity, &o->inner);
	return oscore_unseal_request(o->unsealer, &o->c, &o->c.recipient, &o->option, o->payload.bytes, payload_len, o->bytes,
		capacity, &o->inner, &o->request);
}

static void messages_open_to_what_was_protected(void **state)
{
	(void)state;
	covers("C8613-C-1 C8613-5.3-1 C8613-5.2-2");
	for (size_t i = 0; i < COUNT(vector_messages); i++) {
		const struct vector_message *v = &vector_messages[i];
		struct opening o;
		struct hex inner = inner_of(v);

		opening_init(&o, v);
		assert_int_equal(opening_try(&o, v, o.payload.len, o.payload.len + OSCORE_UNSEAL_EXTRA), OSCORE_UNSEAL_OK);
		assert_int_equal(o.inner.len, inner.len);
		assert_memory_equal(o.bytes + 1, inner.bytes + 1, inner.len - 1);
		if (v->in_reply_to == NULL) {
			assert_int_equal(o.inner.code, CODE_GET);
			assert_int_equal(o.inner.option_count, 1);
			assert_int_equal(o.inner.options[0].number, 11);
			assert_memory_equal(o.inner.options[0].value, "tv1", 3);
			assert_true(hex_equal(v->id, v->piv, o.request.piv, o.request.piv_len));
			assert_true(hex_equal(v->id, v->kid, o.request.kid.bytes, o.request.kid.len));
		} else {
			assert_int_equal(o.inner.code, CODE_CONTENT);
			assert_int_equal(o.inner.payload_len, 12);
			assert_memory_equal(o.inner.payload, "Hello World!", 12);
		}
		oscore_unsealer_free(o.unsealer);
	}
}

/* True if nothing of the plaintext can be read from the buffer. */
static bool holds_no_plaintext(const struct opening *o, const struct vector_message *v)
{
	struct hex plain = hex_parse(v->plaintext);

	return memmem(o->bytes, sizeof o->bytes, plain.bytes + 1, plain.len - 1) == NULL && o->inner.len == 0 &&
		o->inner.option_count == 0;
}

static void one_flipped_bit_opens_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vector_messages); i++) {
		const struct vector_message *v = &vector_messages[i];
		struct opening o;

		opening_init(&o, v);
		for (size_t bit = 0; bit < 8 * o.payload.len; bit++) {
			o.payload.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(opening_try(&o, v, o.payload.len, sizeof o.bytes), OSCORE_UNSEAL_TAG);
			assert_true(holds_no_plaintext(&o, v));
			o.payload.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		/* The same unsealer still opens the genuine one. */
		assert_int_equal(opening_try(&o, v, o.payload.len, sizeof o.bytes), OSCORE_UNSEAL_OK);
		oscore_unsealer_free(o.unsealer);
	}
}

static void wrong_nonce_request_or_key_opens_nothing(void **state)
{
	const struct vector_message *v = vector_message("C.4"), *response = vector_message("C.7");
	struct opening o;

	(void)state;
	covers("C8613-5.2-1 C8613-5.4-1");
	opening_init(&o, v);
	o.value.bytes[1] ^= 1;
	assert_int_equal(opening_try(&o, v, o.payload.len, sizeof o.bytes), OSCORE_UNSEAL_TAG);
	o.value.bytes[1] ^= 1;
	o.c.recipient.key.bytes[0] ^= 1;
	assert_int_equal(opening_try(&o, v, o.payload.len, sizeof o.bytes), OSCORE_UNSEAL_TAG);
	oscore_unsealer_free(o.unsealer);

	/* A response with its own Partial IV still hangs on the request through the AAD. */
	opening_init(&o, response);
	o.request.piv[0] ^= 1;
	assert_int_equal(opening_try(&o, response, o.payload.len, sizeof o.bytes), OSCORE_UNSEAL_TAG);
	oscore_unsealer_free(o.unsealer);
	response = vector_message("C.8");
	opening_init(&o, response);
	o.request.piv[0] ^= 1;
	assert_int_equal(opening_try(&o, response, o.payload.len, sizeof o.bytes), OSCORE_UNSEAL_TAG);
	oscore_unsealer_free(o.unsealer);
}

static void what_cannot_be_opened_is_refused_first(void **state)
{
	const struct vector_message *v = vector_message("C.6"), *response = vector_message("C.7");
	struct opening o;
	struct hex value;

	(void)state;
	covers("C8613-6.2-1 C8613-5-3");
	opening_init(&o, v);
	/* No room for a tag and one byte; no room in the buffer. */
	for (size_t len = 0; len <= 8; len++)
		assert_int_equal(opening_try(&o, v, len, sizeof o.bytes), OSCORE_UNSEAL_FORMAT);
	assert_int_equal(opening_try(&o, v, 9, sizeof o.bytes), OSCORE_UNSEAL_TAG);
	assert_int_equal(opening_try(&o, v, o.payload.len, o.payload.len - 8 + OSCORE_UNSEAL_EXTRA - 1), OSCORE_UNSEAL_SIZE);
	/* Another kid context, another kid, none at all, no Partial IV. */
	static const char *const values[] = { "19140837cbf3210017a2d4", "19140737cbf3210017a2", "091401", "110837cbf3210017a2d3", "", "08" };
	for (size_t i = 0; i < COUNT(values); i++) {
		value = hex_parse(values[i]);
		if (oscore_option_parse(&o.option, value.bytes, value.len, 0) == 0)
			assert_int_equal(opening_try(&o, v, o.payload.len, sizeof o.bytes), OSCORE_UNSEAL_FORMAT);
	}
	/* Without kid context the same context opens it. */
	value = hex_parse("0914");
	assert_int_equal(oscore_option_parse(&o.option, value.bytes, value.len, 0), 0);
	assert_int_equal(opening_try(&o, v, o.payload.len, sizeof o.bytes), OSCORE_UNSEAL_OK);
	oscore_unsealer_free(o.unsealer);

	opening_init(&o, response);
	value = hex_parse("0802");
	assert_int_equal(oscore_option_parse(&o.option, value.bytes, value.len, 0), 0);
	assert_int_equal(opening_try(&o, response, o.payload.len, sizeof o.bytes), OSCORE_UNSEAL_FORMAT);
	oscore_unsealer_free(o.unsealer);
}

/* Genuine, but a response's code in a request, an Empty one, a marker without payload, an option past the end; nothing of it is left. */
static void genuine_nonsense_is_no_message(void **state)
{
	static const char *const inners[] = { "50450000", "50000000", "50e10000", "50010000ff", "50010000b574", "50010000f0" };
	struct oscore_context client;
	struct opening o;

	(void)state;
	opening_init(&o, vector_message("C.4"));
	context_fill(&client, "C.1", CLIENT);
	for (size_t i = 0; i < COUNT(inners); i++) {
		struct hex inner = hex_parse(inners[i]);
		struct sealed s;

		assert_int_equal(seal_request(&s, &o.request, &client, 20, inner.bytes, inner.len), 0);
		memset(o.bytes, 0xa5, sizeof o.bytes);
		assert_int_equal(oscore_unseal_request(o.unsealer, &o.c, &o.c.recipient, &o.option, s.payload, s.payload_len,
			o.bytes, sizeof o.bytes, &o.inner, &o.request), OSCORE_UNSEAL_INNER);
		assert_int_equal(o.inner.len, 0);
		for (size_t at = 0; at < inner.len; at++)
			assert_int_equal(o.bytes[at], 0);
	}
	oscore_unsealer_free(o.unsealer);
}

static void bad_parameters_give_no_context(void **state)
{
	struct material m;
	struct oscore_context c;

	(void)state;
	covers("C8613-3.3-2");
	material_fill(&m, &vector_contexts[0]);
	m.parameters.sender_id = m.parameters.recipient_id;
	m.parameters.sender_id_len = m.parameters.recipient_id_len;
	assert_int_equal(oscore_derive_context(&c, &m.parameters), -1);
	m.parameters.sender_id_len = m.parameters.recipient_id_len = 0;
	assert_int_equal(oscore_derive_context(&c, &m.parameters), -1);

	material_fill(&m, &vector_contexts[0]);
	m.parameters.sender_id = (const uint8_t *)"abcdefgh";
	m.parameters.sender_id_len = 8;
	assert_int_equal(oscore_derive_context(&c, &m.parameters), -1);
	m.parameters.sender_id_len = 7;
	assert_int_equal(oscore_derive_context(&c, &m.parameters), 0);

	m.parameters.aead = 999;
	assert_int_equal(oscore_derive_context(&c, &m.parameters), -1);
	m.parameters.aead = OSCORE_AES_CCM_16_64_128;
	m.master.len = 0;
	assert_int_equal(oscore_derive_context(&c, &m.parameters), -1);
}

static void partial_ivs_are_shortest(void **state)
{
	static const struct {
		uint64_t sequence;
		const char *piv;
	} rows[] = { { 0, "00" }, { 255, "ff" }, { 256, "0100" }, { 65536, "010000" }, { 0xffffffffff, "ffffffffff" } };
	uint8_t piv[OSCORE_PIV_MAX];

	(void)state;
	covers("C8613-5-2");
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_true(hex_equal("piv", rows[i].piv, piv, oscore_piv_write(piv, rows[i].sequence)));
	assert_int_equal(oscore_piv_write(piv, 0x10000000000), 0);
}

static const int algorithms[] = { OSCORE_AES_CCM_16_64_128, 11, 30, 31, OSCORE_A128GCM, OSCORE_A256GCM, OSCORE_CHACHA20_POLY1305 };

/* A request, and a server that can open it. */
struct sealed_request {
	struct oscore_context client, server;
	struct oscore_request request;
	struct oscore_option option;
	struct sealed sealed;
	struct hex inner;
};

static void request_seal(struct sealed_request *q, int alg, enum oscore_hkdf hkdf)
{
	struct material client, server;

	q->inner = inner_of(vector_message("C.4"));
	material_fill(&client, &vector_contexts[0]);
	material_fill(&server, &vector_contexts[1]);
	client.parameters.aead = server.parameters.aead = alg;
	client.parameters.hkdf = server.parameters.hkdf = hkdf;
	assert_int_equal(oscore_derive_context(&q->client, &client.parameters), 0);
	assert_int_equal(oscore_derive_context(&q->server, &server.parameters), 0);
	assert_int_equal(seal_request(&q->sealed, &q->request, &q->client, 7, q->inner.bytes, q->inner.len), 0);
	assert_int_equal(q->sealed.payload_len, q->inner.len - 3 + q->client.aead->tag_len);
	assert_int_equal(oscore_option_parse(&q->option, q->sealed.option, q->sealed.option_len, 0), 0);
}

static enum oscore_unseal_result request_open(struct sealed_request *q, struct oscore_unsealer *u, struct opening *o)
{
	memset(o->bytes, 0, sizeof o->bytes);
	return oscore_unseal_request(u, &q->server, &q->server.recipient, &q->option, q->sealed.payload, q->sealed.payload_len, o->bytes,
		sizeof o->bytes, &o->inner, &o->request);
}

/* Every algorithm of the table carries a message there and back; its tag has the length the table says. An unsealer for one key opens the same as
 * one for all. */
static void every_algorithm_works(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(algorithms); i++) {
		struct sealed_request q;
		struct opening o;

		request_seal(&q, algorithms[i / 2], i % 2 ? OSCORE_HKDF_SHA512 : OSCORE_HKDF_SHA256);
		for (int keyed = 0; keyed < 2; keyed++) {
			struct oscore_unsealer *u = keyed ? oscore_unsealer_new_keyed(q.server.aead, &q.server.recipient.key) :
				oscore_unsealer_new(q.server.aead);

			assert_non_null(u);
			if (keyed) /* is not looked at any more */
				memset(&q.server.recipient.key, 0, sizeof q.server.recipient.key);
			for (int again = 0; again < 3; again++) {
				assert_int_equal(request_open(&q, u, &o), OSCORE_UNSEAL_OK);
				assert_memory_equal(o.bytes + 1, q.inner.bytes + 1, q.inner.len - 1);
			}
			oscore_unsealer_free(u);
		}
	}
}

/* Also where the cipher writes before it has checked: nothing is left of what is not genuine, and the next message opens. */
static void no_algorithm_hands_out_what_is_not_genuine(void **state)
{
	static const uint8_t nothing[sizeof ((struct opening *)0)->bytes];

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(algorithms); i++) {
		struct sealed_request q;
		struct opening o;
		struct oscore_unsealer *u;

		request_seal(&q, algorithms[i / 2], OSCORE_HKDF_SHA256);
		u = i % 2 ? oscore_unsealer_new_keyed(q.server.aead, &q.server.recipient.key) : oscore_unsealer_new(q.server.aead);
		assert_non_null(u);
		for (size_t bit = 0; bit < 8 * q.sealed.payload_len; bit++) {
			q.sealed.payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(request_open(&q, u, &o), OSCORE_UNSEAL_TAG);
			assert_memory_equal(o.bytes, nothing, sizeof nothing);
			assert_true(o.inner.len == 0 && o.inner.option_count == 0 && o.inner.payload == NULL);
			q.sealed.payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(request_open(&q, u, &o), OSCORE_UNSEAL_OK);
		oscore_unsealer_free(u);
	}
}

/* Longer than any message may be, and longer than CCM can count with a nonce of 13 bytes (RFC 3610 2.1). */
static void there_is_an_end_to_payloads(void **state)
{
	static uint8_t payload[OSCORE_UNSEAL_PAYLOAD_MAX + 1], bytes[OSCORE_UNSEAL_PAYLOAD_MAX + 8];

	(void)state;
	for (size_t i = 0; i < COUNT(algorithms); i++) {
		struct sealed_request q;
		struct opening o;
		struct oscore_unsealer *u;
		bool ccm;

		request_seal(&q, algorithms[i], OSCORE_HKDF_SHA256);
		ccm = q.server.aead->nonce_len == 13;
		u = oscore_unsealer_new(q.server.aead);
		assert_non_null(u);
		static const size_t lengths[] = { 0xffff, 0x10000, OSCORE_UNSEAL_PAYLOAD_MAX + 1 };
		for (size_t n = 0; n < COUNT(lengths); n++) {
			size_t len = n == 2 ? lengths[n] : lengths[n] + q.server.aead->tag_len;

			assert_int_equal(oscore_unseal_request(u, &q.server, &q.server.recipient, &q.option, payload, len, bytes, sizeof bytes,
				&o.inner, &o.request), n == 2 || (n == 1 && ccm) ? OSCORE_UNSEAL_FORMAT : OSCORE_UNSEAL_TAG);
		}
		oscore_unsealer_free(u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts_are_derived),
		cmocka_unit_test(aad_and_nonces_are_built),
		cmocka_unit_test(longest_aad_fits),
		cmocka_unit_test(messages_are_sealed_as_printed),
		cmocka_unit_test(messages_open_to_what_was_protected),
		cmocka_unit_test(one_flipped_bit_opens_nothing),
		cmocka_unit_test(wrong_nonce_request_or_key_opens_nothing),
		cmocka_unit_test(what_cannot_be_opened_is_refused_first),
		cmocka_unit_test(genuine_nonsense_is_no_message),
		cmocka_unit_test(bad_parameters_give_no_context),
		cmocka_unit_test(partial_ivs_are_shortest),
		cmocka_unit_test(every_algorithm_works),
		cmocka_unit_test(no_algorithm_hands_out_what_is_not_genuine),
		cmocka_unit_test(there_is_an_end_to_payloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

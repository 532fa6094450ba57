#include "oscore/group_open.h"

#include <stdlib.h>
#include <string.h>

#include "oscore/group_aad.h"
#include "oscore/group_cipher.h"
#include "oscore/group_verify.h"

struct oscore_group_opener {
	struct group_ciphers *ciphers;
	struct group_verifier *verifier;
};

/* What the parts of a message mean, once it is known who sent it. */
struct reading {
	const struct oscore_group *group;
	const struct oscore_group_message *message;
	const struct oscore_group_member *from;
	struct oscore_group_request request; /* the message itself, or what it answers */
	const struct oscore_id *generator;   /* of the Partial IV that protects it */
	const uint8_t *piv;
	size_t piv_len;
	size_t len;                          /* of the ciphertext and its tag */
	size_t external_len;
	uint8_t external[OSCORE_EXTERNAL_AAD_MAX];
};

int oscore_group_request_of(struct oscore_group_request *r, const struct oscore_option *option)
{
	memset(r, 0, sizeof *r);
	if ((option->flags & OSCORE_FLAG_GROUP) == 0 || !oscore_option_fits_request(option) || option->kid_context == NULL)
		return -1;
	if (option->kid_len > OSCORE_ID_MAX || option->kid_context_len > OSCORE_ID_CONTEXT_MAX)
		return -1;
	r->kid.len = option->kid_len;
	memcpy(r->kid.bytes, option->kid, option->kid_len);
	r->piv_len = option->piv_len;
	memcpy(r->piv, option->piv, option->piv_len);
	r->gid_len = option->kid_context_len;
	memcpy(r->gid, option->kid_context, option->kid_context_len);
	return 0;
}

int oscore_group_message_init(struct oscore_group_message *m, const uint8_t *value, size_t value_len, const uint8_t *payload, size_t payload_len,
	const struct oscore_group_request *request)
{
	struct oscore_group_request itself;

	memset(m, 0, sizeof *m);
	if (oscore_option_parse(&m->option, value, value_len, OSCORE_FLAG_GROUP) < 0 || (m->option.flags & OSCORE_FLAG_GROUP) == 0)
		return -1;
	if (request == NULL && oscore_group_request_of(&itself, &m->option) < 0)
		return -1;
	m->value = value;
	m->value_len = value_len;
	m->payload = payload;
	m->payload_len = payload_len;
	m->request = request;
	return 0;
}

static bool same_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* True if the request was made in the group as it is now: later it may have another Gid. */
static bool request_is_of(const struct oscore_group *g, const struct oscore_group_request *r)
{
	return same_bytes(g->gid, g->gid_len, r->gid, r->gid_len);
}

bool oscore_group_concerns(const struct oscore_group *g, const struct oscore_group_message *m)
{
	if (m->option.kid_context != NULL)
		return same_bytes(g->gid, g->gid_len, m->option.kid_context, m->option.kid_context_len);
	return m->request != NULL && request_is_of(g, m->request);
}

/* The member who is left if the requester is put aside, or NULL if there are more. */
static const struct oscore_group_member *only_other(const struct oscore_group *g, const struct oscore_group_request *r)
{
	const struct oscore_group_member *other = NULL;

	for (size_t i = 0; i < g->member_count; i++) {
		if (oscore_id_equal(&r->kid, g->members[i].id.bytes, g->members[i].id.len))
			continue;
		if (other != NULL)
			return NULL;
		other = &g->members[i];
	}
	return other;
}

const struct oscore_group_member *oscore_group_sender(const struct oscore_group *g, const struct oscore_group_message *m)
{
	const struct oscore_group_member *from;

	if (m->option.kid == NULL)
		return m->request != NULL && request_is_of(g, m->request) ? only_other(g, m->request) : NULL;
	from = oscore_group_member(g, m->option.kid, m->option.kid_len);
	/* Nobody answers himself: it is his request sent back to him. */
	if (from != NULL && m->request != NULL && request_is_of(g, m->request) &&
	    oscore_id_equal(&from->id, m->request->kid.bytes, m->request->kid.len))
		return NULL;
	return from;
}

/* Takes a message apart. Returns VERIFIED for going on, or what is wrong. */
static enum oscore_group_result reading_init(struct reading *r, const struct oscore_group *g, const struct oscore_group_message *m)
{
	const struct oscore_option *o = &m->option;

	if ((o->flags & OSCORE_FLAG_GROUP) == 0 || !oscore_group_concerns(g, m))
		return OSCORE_GROUP_FORMAT;
	if (m->payload_len > OSCORE_GROUP_PAYLOAD_MAX)
		return OSCORE_GROUP_SIZE;
	if (m->payload_len < OSCORE_SIGNATURE_LENGTH + g->algorithm->tag_len + 1u)
		return OSCORE_GROUP_FORMAT;
	r->group = g;
	r->message = m;
	r->len = m->payload_len - OSCORE_SIGNATURE_LENGTH;
	r->from = oscore_group_sender(g, m);
	if (r->from == NULL)
		return OSCORE_GROUP_STRANGER;
	if (m->request != NULL)
		r->request = *m->request;
	else if (oscore_group_request_of(&r->request, o) < 0)
		return OSCORE_GROUP_FORMAT;
	/* A response takes its request's Partial IV only under the keys that the request had (RFC 8613 8.3; the draft's 5.3). */
	if (o->piv == NULL && (!request_is_of(g, &r->request) || r->request.kid.len > oscore_group_id_max(g)))
		return OSCORE_GROUP_FORMAT;
	r->generator = o->piv != NULL ? &r->from->id : &r->request.kid;
	r->piv = o->piv != NULL ? o->piv : r->request.piv;
	r->piv_len = o->piv != NULL ? o->piv_len : r->request.piv_len;
	r->external_len = oscore_group_external_aad_write(r->external, g, r->from, &r->request, m);
	return r->external_len > 0 ? OSCORE_GROUP_VERIFIED : OSCORE_GROUP_FORMAT;
}

static enum oscore_group_result reading_verify(struct oscore_group_opener *o, struct reading *r)
{
	const struct oscore_group_message *m = r->message;
	uint8_t signature[OSCORE_SIGNATURE_LENGTH], info[OSCORE_KEYSTREAM_INFO_MAX];
	size_t info_len = oscore_group_keystream_info(info, r->group, r->generator, m->request == NULL);

	if (group_keystream(o->verifier, r->group, r->piv, r->piv_len, info, info_len, signature) < 0)
		return OSCORE_GROUP_BROKEN;
	for (size_t i = 0; i < sizeof signature; i++)
		signature[i] ^= m->payload[r->len + i];
	return group_signature_verify(o->verifier, r->group, r->from, r->external, r->external_len, m->payload, r->len, signature);
}

/* Opens into bytes and views it as a message; *inner is empty before. */
static enum oscore_group_result reading_open(struct oscore_group_opener *o, const struct reading *r, uint8_t *bytes, struct msg_view *inner)
{
	const struct oscore_group *g = r->group;
	size_t plain_len = r->len - g->algorithm->tag_len;
	uint8_t nonce[OSCORE_NONCE_MAX], aad[OSCORE_GROUP_AAD_MAX];
	size_t aad_len = oscore_group_aad_write(aad, r->external, r->external_len);
	enum oscore_group_result result;

	oscore_nonce_mix(nonce, g->algorithm->nonce_len, g->common_iv, r->generator, r->piv, r->piv_len);
	result = group_decrypt(o->ciphers, g->algorithm, &r->from->key, nonce, aad, aad_len, r->message->payload, plain_len,
		bytes + OSCORE_GROUP_EXTRA);
	if (result == OSCORE_GROUP_OPENED)
		return oscore_view_inner(bytes, plain_len, r->message->request != NULL, inner) == OSCORE_UNSEAL_OK ?
			OSCORE_GROUP_OPENED : OSCORE_GROUP_INNER;
	explicit_bzero(bytes, plain_len + OSCORE_GROUP_EXTRA);
	return result;
}

enum oscore_group_result oscore_group_verify(struct oscore_group_opener *o, const struct oscore_group *g, const struct oscore_group_message *m)
{
	struct reading r;
	enum oscore_group_result result = reading_init(&r, g, m);

	return result == OSCORE_GROUP_VERIFIED ? reading_verify(o, &r) : result;
}

enum oscore_group_result oscore_group_open(struct oscore_group_opener *o, const struct oscore_group *g, const struct oscore_group_message *m,
	uint8_t *bytes, size_t capacity, struct msg_view *inner)
{
	struct reading r;
	enum oscore_group_result result = reading_init(&r, g, m);

	memset(inner, 0, sizeof *inner);
	if (result == OSCORE_GROUP_VERIFIED)
		result = reading_verify(o, &r);
	if (result != OSCORE_GROUP_VERIFIED || !r.from->has_key || !g->has_common_iv)
		return result;
	if (capacity < r.len - g->algorithm->tag_len + OSCORE_GROUP_EXTRA)
		return OSCORE_GROUP_SIZE;
	return reading_open(o, &r, bytes, inner);
}

struct oscore_group_opener *oscore_group_opener_new(void)
{
	struct oscore_group_opener *o = calloc(1, sizeof *o);

	if (o == NULL)
		return NULL;
	o->ciphers = group_ciphers_new();
	o->verifier = group_verifier_new();
	if (o->ciphers == NULL || o->verifier == NULL) {
		oscore_group_opener_free(o);
		return NULL;
	}
	return o;
}

void oscore_group_opener_free(struct oscore_group_opener *o)
{
	if (o == NULL)
		return;
	group_ciphers_free(o->ciphers);
	group_verifier_free(o->verifier);
	free(o);
}

void oscore_group_opener_forget(struct oscore_group_opener *o)
{
	group_ciphers_forget(o->ciphers);
}

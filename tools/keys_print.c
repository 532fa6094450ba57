#include "tools/keys_print.h"

#include "oscore/names.h"

/* "WORD HEX", with "-" for no bytes. */
static void print_bytes(FILE *out, const char *before, const uint8_t *bytes, size_t len)
{
	fputs(before, out);
	if (len == 0)
		fputc('-', out);
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void print_setting(FILE *out, const char *word, const uint8_t *bytes, size_t len)
{
	fprintf(out, "\t%s", word);
	print_bytes(out, " ", bytes, len);
	fputc('\n', out);
}

static void print_key(FILE *out, bool has_key, const struct oscore_key *key, size_t len)
{
	if (has_key)
		print_bytes(out, " ", key->bytes, len);
	else
		fputs(" none", out);
	fputc('\n', out);
}

static void print_sender(FILE *out, const struct oscore_side *side, bool has_key, size_t key_len)
{
	print_bytes(out, "\tsender ", side->id.bytes, side->id.len);
	print_key(out, has_key, &side->key, key_len);
}

void keys_print_context(FILE *out, const struct keys_context *c)
{
	const struct oscore_aead *aead = c->context.aead;

	fprintf(out, "context %s\n\talgorithm %s\n", c->name, oscore_names_name(OSCORE_NAMES_AEAD, aead->alg));
	if (c->context.has_id_context)
		print_setting(out, "id-context", c->context.id_context, c->context.id_context_len);
	print_setting(out, "common-iv", c->context.common_iv, aead->nonce_len);
	print_sender(out, &c->context.sender, c->sender_has_key, aead->key_len);
	print_sender(out, &c->context.recipient, c->recipient_has_key, aead->key_len);
}

static const char *name_or_none(enum oscore_names kind, int number)
{
	return number == 0 ? "none" : oscore_names_name(kind, number);
}

void keys_print_group(FILE *out, const char *name, const struct oscore_group *g)
{
	fprintf(out, "group %s\n", name);
	print_setting(out, "gid", g->gid, g->gid_len);
	fprintf(out, "\talgorithm %s\n", name_or_none(OSCORE_NAMES_AEAD, g->aead == NULL ? 0 : g->aead->alg));
	fprintf(out, "\tgroup-algorithm %s\n", oscore_names_name(OSCORE_NAMES_GROUP, g->algorithm->alg));
	fprintf(out, "\tsignature %s\n", oscore_names_name(OSCORE_NAMES_SIGNATURE, g->signature));
	fprintf(out, "\tkey-agreement %s\n", name_or_none(OSCORE_NAMES_AGREEMENT, g->key_agreement));
	fprintf(out, "\thkdf %s\n", oscore_names_name(OSCORE_NAMES_HKDF, (int)g->hkdf));
	if (g->has_common_iv)
		print_setting(out, "common-iv", g->common_iv, oscore_group_iv_length(g));
	print_setting(out, "signature-encryption-key", g->signature_encryption_key.bytes, g->algorithm->key_len);
	print_setting(out, "manager-credential", g->manager_credential, g->manager_credential_len);
	fprintf(out, "\tcountersignature %s\n", g->four_elements ? "four" : "five");
	for (size_t i = 0; i < g->member_count; i++) {
		const struct oscore_group_member *m = &g->members[i];

		print_bytes(out, "\tmember ", m->id.bytes, m->id.len);
		print_bytes(out, " credential ", m->credential, m->credential_len);
		print_bytes(out, " public-key ", m->public_key, m->public_key_len);
		fputs(" key", out);
		print_key(out, m->has_key, &m->key, g->algorithm->key_len);
	}
}

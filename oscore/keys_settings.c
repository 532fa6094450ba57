#include "oscore/keys_settings.h"

bool keys_setting_number(struct keys_lines *l, enum oscore_names kind, const struct keys_word *w, int *number)
{
	if (oscore_names_number(kind, w->at, w->len, number))
		return true;
	keys_lines_error(l, l->line, "unknown name; known are %s", oscore_names_all(kind));
	return false;
}

void keys_setting_id(struct keys_lines *l, const struct keys_word *w, struct oscore_id *id)
{
	size_t len;

	id->len = 0;
	if (keys_word_bytes(l, w, "the ID", id->bytes, sizeof id->bytes, &len) == 0)
		id->len = (uint8_t)len;
}

static uint16_t credential_take(struct keys_lines *l, const struct keys_word *w, uint8_t *out)
{
	size_t len;

	return keys_word_bytes(l, w, "the credential", out, OSCORE_CREDENTIAL_MAX, &len) == 0 ? (uint16_t)len : 0;
}

void keys_setting_credential(struct keys_lines *l, const struct keys_word *credential, const struct keys_word *public_key,
	struct oscore_group_member *m)
{
	size_t len;

	m->credential_len = credential_take(l, credential, m->credential);
	m->public_key_len = 0;
	if (keys_word_bytes(l, public_key, "the public key", m->public_key, sizeof m->public_key, &len) == 0)
		m->public_key_len = (uint8_t)len;
}

void keys_setting_gid(void *arg, const struct keys_word *values)
{
	struct keys_reading *r = arg;
	size_t len;

	if (keys_word_bytes(&r->lines, values, "the Gid", r->group->gid, sizeof r->group->gid, &len) == 0)
		r->group->gid_len = (uint8_t)len;
}

void keys_setting_pairwise(void *arg, const struct keys_word *values)
{
	struct keys_reading *r = arg;
	int alg;

	if (!keys_word_is(values, "none") && keys_setting_number(&r->lines, OSCORE_NAMES_AEAD, values, &alg))
		r->group->aead = oscore_aead_row(alg);
}

void keys_setting_group_algorithm(void *arg, const struct keys_word *values)
{
	struct keys_reading *r = arg;
	int alg;

	if (keys_setting_number(&r->lines, OSCORE_NAMES_GROUP, values, &alg))
		r->group->algorithm = oscore_group_algorithm(alg);
}

void keys_setting_signature(void *arg, const struct keys_word *values)
{
	struct keys_reading *r = arg;
	int alg;

	if (keys_setting_number(&r->lines, OSCORE_NAMES_SIGNATURE, values, &alg))
		r->group->signature = (enum oscore_signature)alg;
}

void keys_setting_agreement(void *arg, const struct keys_word *values)
{
	struct keys_reading *r = arg;

	if (!keys_word_is(values, "none"))
		(void)keys_setting_number(&r->lines, OSCORE_NAMES_AGREEMENT, values, &r->group->key_agreement);
}

void keys_setting_hkdf(void *arg, const struct keys_word *values)
{
	struct keys_reading *r = arg;
	int hkdf;

	if (keys_setting_number(&r->lines, OSCORE_NAMES_HKDF, values, &hkdf))
		r->group->hkdf = (enum oscore_hkdf)hkdf;
}

void keys_setting_manager(void *arg, const struct keys_word *values)
{
	struct keys_reading *r = arg;

	r->group->manager_credential_len = credential_take(&r->lines, values, r->group->manager_credential);
}

void keys_setting_countersignature(void *arg, const struct keys_word *values)
{
	struct keys_reading *r = arg;

	if (keys_word_is(values, "four"))
		r->group->four_elements = true;
	else if (!keys_word_is(values, "five"))
		keys_lines_error(&r->lines, r->lines.line, "countersignature has \"five\" elements or \"four\"");
}

#include "tools/group_derive.h"

#include <string.h>

static void member_forget(struct oscore_group_member *m)
{
	explicit_bzero(&m->key, sizeof m->key);
	m->has_key = false;
}

static void iv_forget(struct oscore_group *g)
{
	explicit_bzero(g->common_iv, sizeof g->common_iv);
	g->has_common_iv = false;
}

int group_derive(struct oscore_group *g, const struct oscore_master_key *master, const uint8_t *salt, size_t salt_len)
{
	size_t key_len = g->algorithm->key_len;
	/* The "alg_aead" of info is the group encryption algorithm, also for the Common IV that both algorithms use (the draft's 2.3). */
	const struct oscore_parameters p = {
		.aead = g->algorithm->alg, .hkdf = g->hkdf, .master = master, .salt = salt, .salt_len = salt_len,
		.id_context = g->gid, .id_context_len = g->gid_len,
	};
	int failed = oscore_derive_bytes(&p, NULL, 0, "IV", g->common_iv, oscore_group_iv_length(g)) |
		oscore_derive_bytes(&p, NULL, 0, "SEKey", g->signature_encryption_key.bytes, key_len);

	g->has_common_iv = true;
	for (size_t i = 0; i < g->member_count; i++) {
		struct oscore_group_member *m = &g->members[i];

		failed |= oscore_derive_bytes(&p, m->id.bytes, m->id.len, "Key", m->key.bytes, key_len);
		m->has_key = true;
	}
	if (failed == 0)
		return 0;
	group_restrict(g, GROUP_VERIFY_ONLY, NULL);
	explicit_bzero(&g->signature_encryption_key, sizeof g->signature_encryption_key);
	return -1;
}

void group_restrict(struct oscore_group *g, enum group_profile profile, const bool *is_server)
{
	bool any = false;

	for (size_t i = 0; i < g->member_count; i++) {
		if (profile == GROUP_VERIFY_ONLY || (profile == GROUP_READ_RESPONSES && !is_server[i]))
			member_forget(&g->members[i]);
		any = any || g->members[i].has_key;
	}
	if (!any)
		iv_forget(g);
}

#include "tests/unit/group_world.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/data/group-oscore-vectors.h"
#include "tests/unit/hex.h"

static void must(bool done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "group_world: %s\n", what);
	abort();
}

static void member_init(struct group_world *w, size_t i)
{
	struct oscore_group_member *m = &w->members[i];
	bool edwards = w->group.signature == OSCORE_EDDSA;
	size_t len = sizeof m->public_key;

	w->private_keys[i] = edwards ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	must(w->private_keys[i] != NULL, "no key pair");
	if (edwards)
		must(EVP_PKEY_get_raw_public_key(w->private_keys[i], m->public_key, &len) == 1, "no public key");
	else
		must(EVP_PKEY_get_octet_string_param(w->private_keys[i], OSSL_PKEY_PARAM_PUB_KEY, m->public_key, sizeof m->public_key, &len) == 1,
			"no public key");
	m->public_key_len = (uint8_t)len;
	m->id.len = 1;
	m->id.bytes[0] = (uint8_t)(1 + i);
	/* Whatever the group calls a credential: bytes of its own kind around the public key. */
	m->credential_len = (uint16_t)snprintf((char *)m->credential, sizeof m->credential, "credential of member %zu: ", i);
	memcpy(m->credential + m->credential_len, m->public_key, len);
	m->credential_len = (uint16_t)(m->credential_len + len);
	w->signers[i] = (struct group_signer){ &w->group, m, w->private_keys[i] };
}

void group_world_init(struct group_world *w, int algorithm, int aead, enum oscore_signature signature, enum oscore_hkdf hkdf)
{
	static const char manager[] = "credential of the Group Manager";

	memset(w, 0, sizeof *w);
	w->group.algorithm = oscore_group_algorithm(algorithm);
	w->group.aead = aead != 0 ? oscore_aead_row(aead) : NULL;
	must(w->group.algorithm != NULL && (w->group.aead != NULL || aead == 0), "no such algorithm");
	w->group.signature = signature;
	w->group.key_agreement = OSCORE_ECDH_SS_HKDF_256;
	w->group.hkdf = hkdf;
	w->group.manager_credential_len = sizeof manager - 1;
	memcpy(w->group.manager_credential, manager, sizeof manager - 1);
	w->group.members = w->members;
	w->group.member_count = GROUP_WORLD_MEMBERS;
	for (size_t i = 0; i < GROUP_WORLD_MEMBERS; i++)
		member_init(w, i);
	group_world_rekey(w, 1);
}

void group_world_rekey(struct group_world *w, uint8_t epoch)
{
	struct oscore_master_key master = { .len = 16 };
	static const uint8_t salt[] = { 0x9e, 0x7c };

	memset(master.bytes, epoch, master.len);
	w->group.gid_len = 3;
	memcpy(w->group.gid, (uint8_t[]){ 0xdd, 0x11, epoch }, 3);
	must(group_derive(&w->group, &master, salt, sizeof salt) == 0, "no keys");
	group_world_provision(w, GROUP_READ_BOTH);
}

void group_world_provision(struct group_world *w, enum group_profile profile)
{
	static const bool is_server[GROUP_WORLD_MEMBERS] = { [GROUP_SERVER] = true };
	size_t at;

	oscore_group_wipe(&w->bundle);
	w->bundle = w->group;
	w->bundle.members = w->bundle_members;
	memcpy(w->bundle_members, w->members, sizeof w->members);
	group_restrict(&w->bundle, profile, is_server);
	must(oscore_group_prepare(&w->bundle, &at) == OSCORE_GROUP_SOUND, "the bundle is not sound");
}

void group_world_fini(struct group_world *w)
{
	oscore_group_wipe(&w->bundle);
	oscore_group_wipe(&w->group);
	for (size_t i = 0; i < GROUP_WORLD_MEMBERS; i++)
		EVP_PKEY_free(w->private_keys[i]);
}

static size_t put(uint8_t *out, const char *hex)
{
	struct hex h = hex_parse(hex);

	memcpy(out, h.bytes, h.len);
	return h.len;
}

void group_of_the_vector(struct oscore_group *g, struct oscore_group_member *members, uint8_t private_key[GROUP_PRIVATE_KEY])
{
	memset(g, 0, sizeof *g);
	memset(members, 0, 2 * sizeof *members);
	g->gid_len = (uint8_t)put(g->gid, vector_group.gid);
	g->algorithm = oscore_group_algorithm(OSCORE_AES_CCM_16_64_128);
	g->aead = oscore_aead_row(OSCORE_AES_CCM_16_64_128);
	g->signature = OSCORE_EDDSA;
	g->key_agreement = OSCORE_ECDH_SS_HKDF_256;
	g->hkdf = OSCORE_HKDF_SHA256;
	g->manager_credential_len = (uint16_t)put(g->manager_credential, vector_group.manager_credential);
	g->members = members;
	g->member_count = 2;
	for (size_t i = 0; i < 2; i++) {
		members[i].id.len = (uint8_t)put(members[i].id.bytes, i == 0 ? vector_group.server_id : vector_group.client_id);
		members[i].public_key_len = (uint8_t)put(members[i].public_key, vector_group.server_public_key);
	}
	members[0].credential_len = (uint16_t)put(members[0].credential, vector_group.server_credential);
	put(private_key, vector_group.server_private_key);
}

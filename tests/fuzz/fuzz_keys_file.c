/* objects: oscore/keys_file.o oscore/keys_blocks.o oscore/keys_settings.o oscore/keys_lines.o oscore/names.o oscore/group.o oscore/context.o */
/* measures: oscore/keys_file.c oscore/keys_settings.c oscore/keys_blocks.c oscore/keys_lines.c */
/*
 * A provisioning file. What is taken must be usable: keys as long as their algorithms want, nobody twice. Whether or not, nothing is left in memory
 * afterwards, and errors show no value.
 */
#include <stdlib.h>
#include <string.h>

#include "oscore/keys_file.h"
#include "tests/fuzz/fuzz.h"

static void tell(void *arg, const char *text)
{
	CHECK(strlen(text) < KEYS_ERROR_TEXT_MAX && strncmp(text, "f:", 2) == 0 && strchr(text, '\n') == NULL);
	++*(size_t *)arg;
}

static void context_is_sound(const struct keys_file *f, const struct keys_context *c)
{
	const struct oscore_context *x = &c->context;

	CHECK(memchr(c->name, '\0', sizeof c->name) != NULL && c->line > 0 && x->aead == oscore_aead_row(x->aead->alg));
	CHECK(x->sender.id.len <= x->aead->nonce_len - 6 && x->recipient.id.len <= x->aead->nonce_len - 6);
	CHECK(!oscore_id_equal(&x->sender.id, x->recipient.id.bytes, x->recipient.id.len));
	CHECK(x->has_id_context || x->id_context_len == 0);
	for (const struct keys_context *d = f->contexts; d < c; d++)
		CHECK(d->context.has_id_context != x->has_id_context || d->context.id_context_len != x->id_context_len ||
			memcmp(d->context.id_context, x->id_context, x->id_context_len) != 0 ||
			memcmp(d->context.common_iv, x->common_iv, sizeof x->common_iv) != 0 ||
			!oscore_id_equal(&d->context.sender.id, x->sender.id.bytes, x->sender.id.len));
}

static void group_is_sound(const struct oscore_group *g, const uint8_t *memory, size_t size)
{
	CHECK(g->algorithm != NULL && g->member_count > 0 && g->member_count <= OSCORE_GROUP_MEMBERS_MAX);
	CHECK((const uint8_t *)g->members >= memory && (const uint8_t *)(g->members + g->member_count) <= memory + size);
	for (size_t i = 0; i < g->member_count; i++) {
		CHECK(g->members[i].verifier != NULL && g->members[i].id.len <= oscore_group_id_max(g));
		CHECK(!g->members[i].has_key || g->has_common_iv);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size > 0 ? (const char *)data : "";
	size_t told = 0, needed = keys_file_size(text, size);
	const struct keys_errors errors = { "f", tell, &told };
	uint8_t *memory = malloc(needed);
	struct keys_file *f;

	CHECK(memory != NULL && needed < 64u << 20);
	memset(memory, 0xa5, needed);
	f = keys_file_parse(memory, text, size, &errors);
	CHECK((f == NULL) == (told > 0) && told <= KEYS_ERRORS_MAX + 1);
	for (size_t i = 0; f != NULL && i < f->context_count; i++)
		context_is_sound(f, &f->contexts[i]);
	for (size_t i = 0; f != NULL && i < f->group_count; i++)
		group_is_sound(&f->groups[i].group, memory, needed);
	keys_file_wipe(f);
	for (size_t i = 0; i < needed; i++)
		CHECK(memory[i] == 0);
	free(memory);
	return 0;
}

#include "tests/unit/reader_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "oscore/derive.h"
#include "oscore/reader/vault.h"
#include "tools/keys_print.h"

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "reader_world: %s\n", what);
	abort();
}

void world_start(struct reader_world *w)
{
	must(vault_open() == 0, "vault");
	random_start();
	table_start();
	memset(w, 0, sizeof *w);
	w->opener = opener_new();
	w->table = table_new();
	must(w->opener != NULL && w->table != NULL && table_index(w->table) == 0, "start");
	opener_use(w->opener, w->table);
}

void world_end(struct reader_world *w)
{
	table_free(w->table);
	opener_free(w->opener);
}

static void complain(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

void world_provision(struct reader_world *w, const char *text, uint32_t max_failures)
{
	const struct keys_errors errors = { "keys", complain, NULL };
	const struct table_set set = { WORLD_SET, max_failures };
	struct table *next = table_new(), *before = w->table;
	void *memory = vault_new(keys_file_size(text, strlen(text)));
	struct keys_file *file;

	must(next != NULL && memory != NULL, "memory");
	file = keys_file_parse(memory, text, strlen(text), &errors);
	must(file != NULL && table_add(next, &set, file) == 0 && table_index(next) == 0, "provisioning");
	table_take_over(next, before);
	w->table = next;
	opener_use(w->opener, next);
	table_free(before);
}

/* Behind what stands in a text already. */
static FILE *append(char *text, size_t size)
{
	FILE *out = fmemopen(text + strlen(text), size - strlen(text), "w");

	must(out != NULL, "text");
	return out;
}

void world_print_context(char *text, size_t size, const char *name, const struct oscore_context *c, bool sender_has_key, bool recipient_has_key)
{
	struct keys_context context = { .context = *c, .sender_has_key = sender_has_key, .recipient_has_key = recipient_has_key };
	FILE *out = append(text, size);

	snprintf(context.name, sizeof context.name, "%s", name);
	keys_print_context(out, &context);
	must(fclose(out) == 0, "text");
}

void world_print_group(char *text, size_t size, const char *name, const struct oscore_group *g)
{
	FILE *out = append(text, size);

	keys_print_group(out, name, g);
	must(fclose(out) == 0, "text");
}

void world_context(struct oscore_context *c, uint8_t secret, const char *client, const char *server, const char *id_context, bool as_server)
{
	const struct oscore_master_key master = { 16, { secret, 1, 2, 3 } };
	const char *self = as_server ? server : client, *other = as_server ? client : server;
	const struct oscore_parameters p = {
		.aead = OSCORE_AES_CCM_16_64_128, .master = &master,
		.sender_id = (const uint8_t *)self, .sender_id_len = strlen(self),
		.recipient_id = (const uint8_t *)other, .recipient_id_len = strlen(other),
		.id_context = (const uint8_t *)id_context, .id_context_len = id_context != NULL ? strlen(id_context) : 0,
	};

	must(oscore_derive_context(c, &p) == 0, "context");
}

size_t world_inner(uint8_t out[WORLD_INNER_MAX], uint8_t code, const struct world_option *options, const void *payload, size_t payload_len)
{
	struct msg_writer m;

	msg_begin(&m, out, WORLD_INNER_MAX, MSG_CON, code, 0, NULL, 0);
	for (; options != NULL && options->number != 0; options++)
		msg_add_option(&m, options->number, options->value, options->len);
	msg_add_payload(&m, payload, payload_len);
	must(msg_end(&m) > 0, "inner message");
	return msg_end(&m);
}

enum opening_verdict world_ask_bytes(struct reader_world *w, const struct opening_question *q)
{
	memset(&w->answer, 0xa5, sizeof w->answer);
	w->answer.seen = w->answer.unverified = false;
	opener_answer(w->opener, q, &w->answer);
	must(w->answer.id == q->id, "the answer is to another question");
	return (enum opening_verdict)w->answer.verdict;
}

enum opening_verdict world_ask(struct reader_world *w, const struct sealed *message, const struct sealed *request, uint32_t fields)
{
	static uint64_t id;
	const struct opening_question q = {
		.id = ++id, .set = WORLD_SET, .fields = fields, .response = request != NULL,
		.option = message->option, .option_len = (uint8_t)message->option_len,
		.request_option = request != NULL ? request->option : NULL,
		.request_option_len = request != NULL ? (uint8_t)request->option_len : 0,
		.payload = message->payload, .payload_len = (uint32_t)message->payload_len,
	};

	return world_ask_bytes(w, &q);
}

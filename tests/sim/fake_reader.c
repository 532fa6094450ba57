#include "tests/sim/fake_reader.h"

#include <stdio.h>
#include <stdlib.h>

struct fake_reader reader;

static uint8_t *copy(const uint8_t *bytes, size_t len)
{
	uint8_t *made = malloc(len + 1);

	if (made == NULL)
		abort();
	if (len > 0)
		memcpy(made, bytes, len);
	return made;
}

static void note(unsigned worker, const struct opening_question *q)
{
	struct asked *a = &reader.all[reader.count++];

	if (reader.count > QUESTIONS_MAX)
		abort();
	*a = (struct asked){ .worker = worker, .q = *q, .sent_to_origin = the.to_origin.count, .sent_to_client = the.to_client.count,
		.at = clock_now() };
	a->q.option = copy(q->option, q->option_len);
	a->q.request_option = copy(q->request_option, q->request_option_len);
	a->q.payload = copy(q->payload, q->payload_len);
}

static int on_packet(void *arg, const uint8_t *bytes, size_t len)
{
	struct opening_question q;
	struct reader r;
	int n;

	if (reader.gone)
		return -1;
	if (reader.blocks)
		return 0;
	assert_in_range(len, 1, OPENING_PACKET_MAX);
	reader.packets++;
	reader_init(&r, bytes, len);
	while ((n = opening_question_read(&r, &q)) > 0)
		note((unsigned)(uintptr_t)arg, &q);
	assert_int_equal(n, 0);
	return 1;
}

void reader_begins(unsigned worker)
{
	const struct reader_port port = { on_packet, (void *)(uintptr_t)worker };

	the.current = worker;
	assert_int_equal(reader_link_attach(the.proxy[worker], &port), 0);
}

/* ---- the configuration ---- */

enum { TEXT = 8192 };

static void write_conf(char routes[TEXT], char settings[TEXT], const char *gate, const char *tap, const char *more)
{
	size_t at = 0;

	for (unsigned n = GATE; n <= TAP_LAST; n++)
		at += (size_t)snprintf(routes + at, TEXT - at, "r%u: { hosts = [\"o%u\"]; to = [\"coap://10.9.0.%u\"]; read = \"%s\"; %s };\n", n, n, n,
			n < TAP ? "gate" : "tap", n > GATE ? "require = [\"oscore\"];" : "");
	snprintf(settings, TEXT, "contexts: { plant: { keys = \"/etc/plant.keys\"; }; };\n"
		"reads: { gate: { context = \"plant\"; %s }; tap: { context = \"plant\"; %s }; };\n%s", gate, tap, more);
}

struct snapshot *reading_conf(const char *gate, const char *tap, const char *more)
{
	char routes[TEXT], settings[TEXT];

	write_conf(routes, settings, gate, tap, more);
	return workers_conf(1, routes, settings);
}

void reading_begins(unsigned workers, const char *gate, const char *tap, const char *more)
{
	char routes[TEXT], settings[TEXT];

	memset(&reader, 0, sizeof reader);
	write_conf(routes, settings, gate, tap, more);
	workers_begin(workers, routes, settings);
	for (unsigned w = 0; w < workers; w++)
		reader_begins(w);
}

void forget_questions(void)
{
	while (reader.count > 0) {
		struct asked *a = &reader.all[--reader.count];

		free((void *)(uintptr_t)a->q.option);
		free((void *)(uintptr_t)a->q.request_option);
		free((void *)(uintptr_t)a->q.payload);
	}
	reader = (struct fake_reader){ .count = 0 };
}

void reading_ends(void)
{
	workers_end();
	forget_questions();
}

/* ---- questions and answers ---- */

const struct asked *next_question(void)
{
	if (reader.seen == reader.count)
		fail_msg("nothing more was asked of the reader");
	return &reader.all[reader.seen++];
}

void no_more_questions(void)
{
	assert_int_equal(reader.count, reader.seen);
}

void answered_with(const struct asked *a, struct opening_answer *answer)
{
	static uint8_t bytes[OPENING_PACKET_MAX];
	struct writer w;

	answer->id = a->q.id;
	writer_init(&w, bytes, sizeof bytes);
	assert_int_equal(opening_answer_write(&w, answer), 0);
	the.current = a->worker;
	reader_link_packet(the.proxy[a->worker], bytes, writer_length(&w));
}

void opened(const struct asked *a, uint8_t code, const char *path)
{
	struct opening_answer answer = { .verdict = OPENING_OPENED };
	struct opening_inner *in = &answer.inner;

	if (a->q.fields & FIELD_BIT(FIELD_CODE)) {
		in->fields |= FIELD_BIT(FIELD_CODE);
		in->code = code;
	}
	if (a->q.fields & FIELD_BIT(FIELD_URI_PATH) && *path != '\0') {
		in->fields |= FIELD_BIT(FIELD_URI_PATH);
		for (const char *at = path;; at++) {
			size_t len = strcspn(at, "/");

			in->path[in->path_count++] = (struct opening_text){ (const uint8_t *)at, (uint16_t)len };
			at += len;
			if (*at == '\0')
				break;
		}
	}
	answered_with(a, &answer);
}

void judged(const struct asked *a, enum opening_verdict verdict)
{
	answered_with(a, &(struct opening_answer){ .verdict = (uint8_t)verdict });
}

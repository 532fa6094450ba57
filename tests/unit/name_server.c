/* See name_server.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "tests/unit/name_server.h"

enum { TYPE_A = 1, TYPE_AAAA = 28 };
enum answer { ANSWER, NAME_ERROR, EMPTY, SERVER_FAILURE, SILENT };

struct zone_row {
	const char *name;
	int type;
	enum answer answer;
	uint32_t ttl;
	const char *addresses; /* separated by a space */
};

static const struct zone_row zone[] = {
	{ "both.example", TYPE_A, ANSWER, 60, "10.0.0.1 10.0.0.2" },
	{ "both.example", TYPE_AAAA, ANSWER, 30, "fd00::1" },
	{ "four.example", TYPE_A, ANSWER, 60, "10.0.0.4" },
	{ "four.example", TYPE_AAAA, EMPTY, 0, "" },
	{ "six.example", TYPE_A, SERVER_FAILURE, 0, "" },
	{ "six.example", TYPE_AAAA, ANSWER, 60, "fd00::6" },
	{ "none.example", TYPE_A, EMPTY, 0, "" },
	{ "none.example", TYPE_AAAA, EMPTY, 0, "" },
	{ "silent.example", TYPE_A, SILENT, 0, "" },
	{ "silent.example", TYPE_AAAA, SILENT, 0, "" },
	{ "deaf6.example", TYPE_A, ANSWER, 60, "10.0.0.6" },
	{ "deaf6.example", TYPE_AAAA, SILENT, 0, "" },
	{ "zero.example", TYPE_A, ANSWER, 0, "10.0.0.7" },
	{ "long.example", TYPE_A, ANSWER, 1000000, "10.0.0.8" },
	{ "many.example", TYPE_A, ANSWER, 60, "10.0.1.1 10.0.1.2 10.0.1.3 10.0.1.4 10.0.1.5 10.0.1.6" },
	{ "many.example", TYPE_AAAA, ANSWER, 60, "fd00::1 fd00::2 fd00::3 fd00::4 fd00::5 fd00::6" },
	{ "plant", TYPE_A, ANSWER, 60, "10.0.2.1" },
	{ "device.lab.example", TYPE_A, ANSWER, 60, "10.0.3.1" },
	{ "loop.example", TYPE_A, ANSWER, 60, "127.0.0.1" },
	{ "localhost", TYPE_A, ANSWER, 60, "10.66.66.66" },
	{ "evil.localhost", TYPE_A, ANSWER, 60, "10.66.66.66" },
};

static size_t question_read(const uint8_t *q, size_t len, char *name, size_t name_size, int *type)
{
	size_t at = 12, out = 0;

	while (at < len && q[at] != 0) {
		size_t label = q[at++];

		assert_true(at + label < len && out + label + 2 < name_size);
		if (out > 0)
			name[out++] = '.';
		for (size_t i = 0; i < label; i++, at++)
			name[out++] = (char)(q[at] >= 'A' && q[at] <= 'Z' ? q[at] + 32 : q[at]);
	}
	name[out] = '\0';
	*type = q[at + 1] << 8 | q[at + 2];
	return at + 5;
}

static unsigned answers_write(struct writer *out, const struct zone_row *row)
{
	char text[512], *save, *word;
	unsigned count = 0;

	snprintf(text, sizeof(text), "%s", row->addresses);
	for (word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		struct endpoint e;
		unsigned size = row->type == TYPE_A ? 4 : 16;

		assert_int_equal(endpoint_parse_literal(&e, word, strlen(word), false), 0);
		writer_u16(out, 0xc00c); /* the name of the question */
		writer_u16(out, (unsigned)row->type);
		writer_u16(out, 1);
		writer_u16(out, row->ttl >> 16);
		writer_u16(out, row->ttl & 0xffff);
		writer_u16(out, size);
		writer_bytes(out, e.addr + 16 - size, size);
		count++;
	}
	return count;
}

static void on_question(evutil_socket_t fd, short what, void *arg)
{
	struct name_server *s = arg;
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	uint8_t packet[1500];
	ssize_t got = recvfrom((int)fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len);
	const struct zone_row *row = NULL;
	unsigned count = 0;
	char name[256];
	struct writer out;
	int type, code = 3;

	(void)what;
	if (got < 17)
		return;
	writer_init(&out, packet, sizeof(packet));
	out.at += question_read(packet, (size_t)got, name, sizeof(name), &type);
	assert_true(s->asked_count < NAME_SERVER_LOG_MAX);
	snprintf(s->asked[s->asked_count++], sizeof(s->asked[0]), "%.50s %s", name, type == TYPE_A ? "A" : "AAAA");
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++)
		if (strcmp(zone[i].name, name) == 0 && zone[i].type == type)
			row = &zone[i];
	if (s->silent || (row != NULL && row->answer == SILENT))
		return;
	if (row != NULL)
		code = row->answer == SERVER_FAILURE ? 2 : row->answer == NAME_ERROR ? 3 : 0;
	if (row != NULL && row->answer == ANSWER)
		count = answers_write(&out, row);
	packet[2] = 0x81;
	packet[3] = (uint8_t)(0x80 | code);
	packet[7] = (uint8_t)count;
	packet[8] = packet[9] = packet[10] = packet[11] = 0;
	sendto((int)fd, packet, writer_length(&out), 0, (struct sockaddr *)&from, from_len);
}

uint16_t name_server_open(struct name_server *s, struct event_base *base)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	s->asked_count = 0;
	s->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(s->socket, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(s->socket, (struct sockaddr *)&at, &len), 0);
	s->event = event_new(base, s->socket, EV_READ | EV_PERSIST, on_question, s);
	event_add(s->event, NULL);
	return ntohs(at.sin_port);
}

void name_server_close(struct name_server *s)
{
	event_free(s->event);
	close(s->socket);
}

unsigned name_server_count(const struct name_server *s, const char *question)
{
	unsigned count = 0;

	for (unsigned i = 0; i < s->asked_count; i++)
		count += strcmp(s->asked[i], question) == 0;
	return count;
}

/*
 * made - messages written as text: "3=68 11=61 11=" is Uri-Host "h", Uri-Path "a" and an empty Uri-Path. Options are in the
 * order of their numbers; values are hex, or a text in quotes without spaces: 3='h'.
 */
#ifndef TESTS_UNIT_MADE_H
#define TESTS_UNIT_MADE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coap/message.h"

enum { MADE_BYTES = 8192, MADE_VALUE = 1100, MADE_TEXT = 4 * MADE_BYTES };

struct made {
	uint8_t bytes[MADE_BYTES];
	struct msg_view m;
};

static inline size_t made_value(const char *at, size_t len, uint8_t value[MADE_VALUE])
{
	size_t n = 0;

	if (len >= 2 && at[0] == '\'') {
		memcpy(value, at + 1, len - 2);
		return len - 2;
	}
	for (; n < len / 2; n++) {
		unsigned byte;

		if (n == MADE_VALUE || sscanf(at + 2 * n, "%2x", &byte) != 1)
			abort();
		value[n] = (uint8_t)byte;
	}
	return n;
}

/* Makes *out a message with these options, parsed; payload may be NULL. Aborts if the text is none. */
static inline void made_message(struct made *out, uint8_t code, const char *options, const char *payload)
{
	struct msg_writer w;

	msg_begin(&w, out->bytes, sizeof(out->bytes), MSG_CON, code, 1, NULL, 0);
	for (const char *at = options; *at != '\0'; at += strspn(at, " ")) {
		uint8_t value[MADE_VALUE];
		char *equals;
		unsigned long number = strtoul(at, &equals, 10);
		size_t len;

		if (*equals != '=')
			abort();
		at = equals + 1;
		len = strcspn(at, " ");
		msg_add_option(&w, (uint16_t)number, value, made_value(at, len, value));
		at += len;
	}
	if (payload != NULL)
		msg_add_payload(&w, payload, strlen(payload));
	if (msg_end(&w) == 0 || msg_parse_datagram(&out->m, out->bytes, msg_end(&w)) != MSG_OK)
		abort();
}

/* Writes the options of a message as such a text, all in hex. */
static inline const char *made_text(const struct msg_view *m, char out[MADE_TEXT])
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < m->option_count; i++) {
		at += (size_t)sprintf(out + at, "%s%u=", i > 0 ? " " : "", m->options[i].number);
		for (unsigned k = 0; k < m->options[i].len; k++)
			at += (size_t)sprintf(out + at, "%02x", m->options[i].value[k]);
	}
	return out;
}

#endif

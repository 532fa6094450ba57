#include "tools/demo_trace.h"

#include <stdio.h>

#include "coap/message.h"
#include "coap/option.h"

static void print_value(const uint8_t *value, size_t len, bool text)
{
	if (len == 0)
		printf("(empty)");
	for (size_t i = 0; i < len; i++)
		printf("%02x", value[i]);
	if (text && len > 0) {
		printf("  \"");
		for (size_t i = 0; i < len; i++)
			putchar(value[i] >= 0x20 && value[i] < 0x7f ? value[i] : '.');
		putchar('"');
	}
	putchar('\n');
}

static void print_options(const struct msg_view *m)
{
	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];
		const struct opt_row *row = opt_row(o->number);

		printf("  option %5u %-15s ", o->number, row == NULL ? "-" : row->name);
		print_value(o->value, o->len, row != NULL && row->format == OPT_STRING);
	}
	if (m->payload != NULL) {
		printf("  payload %20s ", "");
		print_value(m->payload, m->payload_len, false);
	}
}

void demo_trace(bool sent, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	static const char *const types[] = { "CON", "NON", "ACK", "RST" };
	char address[ENDPOINT_TEXT_MAX], code[MSG_CODE_TEXT_MAX];
	struct msg_view m;
	enum msg_result result = msg_parse_datagram(&m, bytes, len);

	printf("%s %s", sent ? "sent to" : "received from", endpoint_format(peer, address));
	if (result != MSG_OK) {
		printf("  %zu bytes that are no CoAP message\n", len);
	} else {
		printf("  %s %s mid %04x", types[m.type & 3], m.code == 0 ? "Empty" : msg_code_text(m.code, code), m.mid);
		if (m.token_len > 0)
			printf(" token ");
		for (uint32_t i = 0; i < m.token_len; i++)
			printf("%02x", m.token[i]);
		putchar('\n');
		print_options(&m);
	}
	fflush(stdout);
}

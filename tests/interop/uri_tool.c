/* objects: translate/map_template.o coap/uri.o coap/message.o base/endpoint.o */
/*
 * uri-tool - URIs and their options by the gateway's own code, a question a line, an answer a line:
 *
 *   compose SCHEME HOST PORT OPTION...   the URI; an OPTION is '/' or '?' and the value's bytes in hexadecimal, as is HOST
 *   split URI                            SCHEME HOST PORT OPTION..., in the same spelling
 *   expand TEMPLATE URI                  the request target
 *   match TEMPLATE TARGET                the URI
 *
 * "-" where there is none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coap/option.h"
#include "coap/uri.h"
#include "translate/map_template.h"

enum { LINE_MAX_BYTES = 65536, VALUE_MAX_BYTES = 300, URI_ROOM = 8192 };

/* Returns the length of what the hexadecimal digits say, or exits: the test is at fault. */
static size_t hex_read(const char *digits, uint8_t bytes[VALUE_MAX_BYTES])
{
	size_t len = strlen(digits) / 2;

	if (len > VALUE_MAX_BYTES)
		exit(2);
	for (size_t i = 0; i < len; i++) {
		char two[3] = {digits[2 * i], digits[2 * i + 1], '\0'};

		bytes[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return len;
}

static void hex_print(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		printf("%02x", at[i]);
}

static void answer_compose(char *rest)
{
	uint8_t value[VALUE_MAX_BYTES], bytes[LINE_MAX_BYTES], port_bytes[2];
	char *scheme = strtok_r(rest, " ", &rest), *host = strtok_r(rest, " ", &rest), *port = strtok_r(rest, " ", &rest), *word;
	char out[URI_ROOM];
	struct msg_writer w;
	struct msg_view m;
	unsigned long number;

	if (!port)
		exit(2);
	number = strtoul(port, NULL, 10);
	port_bytes[0] = (uint8_t)(number >> 8);
	port_bytes[1] = (uint8_t)number;
	msg_begin(&w, bytes, sizeof(bytes), MSG_CON, CODE_GET, 0, NULL, 0);
	msg_add_option(&w, OPT_URI_HOST, value, hex_read(host, value));
	msg_add_option(&w, OPT_URI_PORT, port_bytes, sizeof(port_bytes));
	while ((word = strtok_r(rest, " ", &rest)))
		msg_add_option(&w, *word == '/' ? OPT_URI_PATH : OPT_URI_QUERY, value, hex_read(word + 1, value));
	if (msg_end(&w) == 0 || msg_parse_datagram(&m, bytes, msg_end(&w)) != MSG_OK)
		exit(2);
	if (uri_compose(&m, (enum uri_scheme)uri_scheme_parse(scheme, strlen(scheme)), "unused", 1, out, sizeof(out)) < 0)
		puts("-");
	else
		puts(out);
}

static void option_print(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	(void)arg;
	printf(" %c", number == OPT_URI_PATH ? '/' : '?');
	hex_print(value, len);
}

static void answer_split(const char *text)
{
	char host[URI_HOST_MAX + 1];
	struct uri u;
	int host_len;

	if (uri_parse(&u, text, strlen(text)) != URI_OK) {
		puts("-");
		return;
	}
	host_len = uri_host_decode(&u.host, host);
	if (host_len < 0)
		exit(2); /* uri_parse() has seen it */
	printf("%s ", uri_schemes[u.scheme].name);
	hex_print(host, (size_t)host_len);
	printf(" %u", (unsigned)u.port);
	if (uri_each_option(&u, option_print, NULL) != URI_OK)
		printf(" too-long");
	puts("");
}

static void answer_template(char *rest, bool expand)
{
	char *text = strtok_r(rest, " ", &rest), *value = strtok_r(rest, " ", &rest);
	char error[TEMPLATE_ERROR_MAX], out[URI_ROOM] = "";
	struct template *t;
	struct uri parts;
	size_t len;

	if (!value || !(t = template_compile(text, error)))
		exit(2);
	if (expand)
		puts(template_expand(t, value, strlen(value), -1, out, sizeof(out)) < 0 ? "-" : out);
	else
		puts(template_match(t, (struct http_text){value, strlen(value)}, -1, out, &len, &parts) == TEMPLATE_OK ? out : "-");
	template_free(t);
}

int main(void)
{
	static char line[LINE_MAX_BYTES];

	while (fgets(line, sizeof(line), stdin)) {
		char *rest = line, *verb;

		line[strcspn(line, "\n")] = '\0';
		verb = strtok_r(rest, " ", &rest);
		if (!verb)
			return 2;
		if (strcmp(verb, "compose") == 0)
			answer_compose(rest);
		else if (strcmp(verb, "split") == 0)
			answer_split(rest);
		else if (strcmp(verb, "expand") == 0 || strcmp(verb, "match") == 0)
			answer_template(rest, verb[0] == 'e');
		else
			return 2;
	}
	return 0;
}

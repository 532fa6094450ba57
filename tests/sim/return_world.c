#include "tests/sim/return_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/made.h"

char server_host[16];
unsigned server;

const char *return_routes(char letter, const char *of_route)
{
	static char routes[4096];
	size_t at = 0;

	for (unsigned n = 1; n < ORIGINS; n++)
		at += (size_t)snprintf(routes + at, sizeof routes - at, "r%u: { hosts = [\"%c%u\"]; to = [\"coap://10.9.0.%u\"]; %s };\n", n, letter, n, n,
			of_route);
	if (at >= sizeof routes)
		abort();
	return routes;
}

void return_world_begin(const char *settings, const char *of_route)
{
	char text[128];

	snprintf(text, sizeof text, "return-path = true; %s", of_route);
	workers_begin(3, return_routes('r', text), settings);
	server = origin_at(HOME, 1);
	snprintf(server_host, sizeof server_host, "3='r%u'", server);
}

int return_world_set_up(void **state)
{
	(void)state;
	return_world_begin("", "");
	return 0;
}

int return_world_tear_down(void **state)
{
	(void)state;
	workers_end();
	return 0;
}

const struct sent *registers(unsigned worker, unsigned client, uint16_t mid)
{
	char options[64];
	const struct sent *up;

	snprintf(options, sizeof options, "%s 11='rd' 15='ep=%u'", server_host, client);
	ask(worker, client, MSG_CON, CODE_POST, mid, 0, options, "</3/0>");
	settle();
	up = next_to_origin();
	assert_int_equal(up->worker, HOME);
	is_message(up, up->m.type, CODE_POST, NULL, "</3/0>");
	assert_true(return_path_is_slot(up->slot));
	answer(up, MSG_ACK, 0, CODE_CREATED, "8='rd' 8='1'", NULL);
	settle();
	is_for(next_to_client(), worker, client, mid);
	return up;
}

void server_asks(const struct sent *up, enum msg_type type, uint8_t code, uint16_t mid, const char *options, const char *payload)
{
	uint8_t bytes[MADE_BYTES], token[2] = { (uint8_t)(mid >> 8), (uint8_t)mid };
	struct made made;
	struct msg_writer w;

	made_message(&made, CODE_GET, options, NULL);
	msg_begin(&w, bytes, sizeof bytes, type, code, mid, token, sizeof token);
	for (unsigned i = 0; i < made.m.option_count; i++)
		msg_add_option(&w, made.m.options[i].number, made.m.options[i].value, made.m.options[i].len);
	if (payload != NULL)
		msg_add_payload(&w, payload, strlen(payload));
	the.current = up->worker;
	upstream_datagram(the.proxy[up->worker], up->slot, &up->peer, bytes, msg_end(&w), false);
	settle();
}

const struct sent *asked(unsigned worker, unsigned client)
{
	struct endpoint peer = client_endpoint(client);
	const struct sent *s = next_to_client();

	assert_int_equal(s->worker, worker);
	assert_int_equal(s->slot, 0);
	assert_true(endpoint_equal(&s->peer, &peer));
	return s;
}

const struct sent *told(const struct sent *up, uint16_t token)
{
	const struct sent *s = next_to_origin();

	assert_int_equal(s->worker, up->worker);
	assert_int_equal(s->slot, up->slot);
	assert_true(endpoint_equal(&s->peer, &up->peer));
	assert_int_equal(s->m.token_len, 2);
	assert_int_equal(s->m.token[0] << 8 | s->m.token[1], token);
	return s;
}

unsigned paths(void)
{
	return house_return_paths(&the.house);
}

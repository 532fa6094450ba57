/*
 * return_world - a house of three workers with return paths: the clients are at the first (some at the second), the origin's home is the third.
 * Origin N is also "rN", by a route with a return path.
 */
#ifndef TESTS_SIM_RETURN_WORLD_H
#define TESTS_SIM_RETURN_WORLD_H

#include "proxy/exchange/return_path.h"
#include "tests/sim/workers.h"

#define OSCORE "9=090a0b0c"

enum { HOME = 2, PLAIN = 1, PLAIN_TOO = 2, FORGED = UNKNOWN_CLIENTS, OVER_CONNECTION = RELIABLE_CLIENTS, SECURED = SECURED_CLIENTS };

extern char server_host[16];   /* Uri-Host option of the server, an origin that lives at HOME */
extern unsigned server;        /* its number */

/* Begins it; settings of the configuration, and of the routes with return paths. */
void return_world_begin(const char *settings, const char *of_route);
int return_world_set_up(void **state); /* the same without any */
int return_world_tear_down(void **state);
/* The routes, each for hosts of this letter and a number. The text holds until the next call. */
const char *return_routes(char letter, const char *of_route);

/* A client registers at the server. Returns what the server got. */
const struct sent *registers(unsigned worker, unsigned client, uint16_t mid);
/* The server asks by where this request came from; the token is the Message ID. */
void server_asks(const struct sent *up, enum msg_type type, uint8_t code, uint16_t mid, const char *options, const char *payload);
/* What a client was asked. */
const struct sent *asked(unsigned worker, unsigned client);
/* What the server was answered, where it asked. */
const struct sent *told(const struct sent *up, uint16_t token);
unsigned paths(void);

#endif

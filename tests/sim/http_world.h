/*
 * http_world - the HTTP server (proxy/http/server.h) between clients that are sockets of the test and requests that the test answers, under
 * the steered clock.
 *
 * One world at a time. world_run() lets the server do what it can now. Time passes for it as the test says (world_pass()); only the kernel, which
 * hands bytes over, has its own.
 */
#ifndef TESTS_SIM_HTTP_WORLD_H
#define TESTS_SIM_HTTP_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "proxy/exchange/blocks.h"
#include "proxy/exchange/proxy.h"
#include "proxy/http/connection.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HOST "Host: gw\r\n"
#define GET "GET /now HTTP/1.1\r\n" HOST "\r\n"

enum { WORLD_REQUESTS = 4096, WORLD_PLAIN = 0, WORLD_SECURE = 1, WORLD_LISTENERS = 2 };

/* What request.c would know of a request. */
struct http_request {
	struct http_connection *connection; /* NULL: it is over */
	char method[16], target[64], field[64]; /* field: the value of "Test" */
	bool takes;         /* its body is taken as it comes */
	char body[256];     /* the beginning of what was taken */
	size_t taken, most; /* bytes; most: how many were held at once */
	unsigned told;      /* how often there was more of it */
	bool whole, gone, stalled, drained;
	unsigned failed;    /* the status it failed with */
	unsigned writable;  /* how often there was room again */
	uint64_t to_send;   /* bytes of answer body that are sent as there is room */
};

struct world {
	struct event_base *base;
	struct proxy *proxy;
	struct snapshot *conf;
	struct listener listeners[WORLD_LISTENERS];
	uint16_t ports[WORLD_LISTENERS];
	struct http_request requests[WORLD_REQUESTS]; /* as they began */
	size_t begun;
	bool leaves_bodies;  /* requests do not take what comes */
	struct {             /* the connections of requests for "/handed" */
		unsigned times;
		int fd;      /* -1: it had ended; the test closes it */
		SSL *tls;
		char ahead[64]; /* terminated */
	} handed;
	SSL_CTX *tls;        /* of WORLD_SECURE; NULL: it accepts nobody */
};

extern struct world world;

/* Settings have the defaults that the configuration has, small enough to be met; a test changes world.conf->settings. */
int world_open(void **state);
int world_close(void **state);

void world_run(void);
bool world_turn(void); /* one turn of the loop; whether anything was done */
/* For what the kernel may take its time with: goes on until it is so, or for some seconds. */
#define WORLD_UNTIL(condition)                                                \
	do {                                                                  \
		for (unsigned turns_ = 0; turns_ < 20000 && !(condition); turns_++) \
			world_run();                                          \
		assert_true(condition);                                       \
	} while (0)
void world_pass(uint64_t microseconds);
uint64_t world_count(enum metric m);

/* A client (the exchange layer has another struct of that name): everything it was sent, and how it ended. */
struct caller {
	int fd;
	char *text;          /* terminated */
	size_t len, capacity;
	bool ended, reset;
};

struct caller *caller_new(unsigned listener);
/* From this address of 127.0.0.0/8. */
struct caller *caller_new_from(unsigned listener, const char *address);
void caller_free(struct caller *c);
/* Sends, and lets the server run. */
void caller_send(struct caller *c, const char *text);
void caller_send_bytes(struct caller *c, const void *bytes, size_t len);
/* As much as the kernel takes. Returns how much. */
size_t caller_push(struct caller *c, const void *bytes, size_t len);
/* Reads all there is. Returns c->text. */
const char *caller_read(struct caller *c);
/* Reads so many at most. */
size_t caller_read_some(struct caller *c, size_t most);
void caller_forget(struct caller *c); /* what was read */

/* How often a text occurs in what was read. */
unsigned caller_has(struct caller *c, const char *text);

/* Answers the i-th request whole. */
void answer(size_t i, unsigned status, const char *body);
/* Its head, for a body of that length. */
void answer_head(size_t i, unsigned status, uint64_t length);
void answer_data(size_t i, const char *text);
void answer_end(size_t i);
void answer_cut(size_t i);
/* A body of that many bytes, as there is room; the head before. */
void answer_much(size_t i, uint64_t length, uint64_t told);

#endif

/*
 * A name server in the event loop of a test: it answers from a fixed table of names, and keeps what it was asked.
 */
#ifndef TESTS_UNIT_NAME_SERVER_H
#define TESTS_UNIT_NAME_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

enum { NAME_SERVER_LOG_MAX = 4096 };

struct name_server {
	struct event *event;
	int socket;
	bool silent; /* it keeps what it is asked and answers nothing */
	char asked[NAME_SERVER_LOG_MAX][64]; /* "name type" of every query that came */
	unsigned asked_count;
};

/* Listens on a free port of 127.0.0.1 and returns it. Keeps the loop until name_server_close(). */
uint16_t name_server_open(struct name_server *s, struct event_base *base);
void name_server_close(struct name_server *s);

/* How often it got the question, as "name type". */
unsigned name_server_count(const struct name_server *s, const char *question);

#endif

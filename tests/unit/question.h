/*
 * question - what the tests of decisions begin with: a configuration from a text, a request in a few words.
 */
#ifndef TESTS_UNIT_QUESTION_H
#define TESTS_UNIT_QUESTION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/decide/route.h"

#define LISTENERS "listeners: { one: { url = \"coap://127.0.0.1:5683\"; }; two: { url = \"coap://[::]:5684\"; }; };\n"

static inline struct snapshot *configured(const char *text)
{
	struct snapshot *s = conf_load_text(text, "test", stderr);

	assert_non_null(s);
	return s;
}

static inline struct endpoint address(const char *text, uint16_t port)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse_literal(&e, text, strlen(text), true), 0);
	e.port = port;
	return e;
}

/* A GET from 192.0.2.1 by listener one. The path is split at '/', the parts are views of it. */
static inline void question_set(struct route_question *q, bool forward, bool oscore, const char *host, uint16_t port,
	const char *path, struct uri_part parts[ROUTE_SEGMENTS_MAX])
{
	const char *end;

	memset(q, 0, sizeof(*q));
	q->client = address("192.0.2.1", 40000);
	q->forward = forward;
	q->oscore = oscore;
	q->method = 1;
	q->scheme = URI_COAP;
	q->host = host;
	q->host_len = strlen(host);
	q->host_is_literal = endpoint_parse_literal(&q->literal, host, strlen(host), false) == 0;
	q->port = port;
	q->path = parts;
	for (; *path == '/'; path = end) {
		path++;
		end = path + strcspn(path, "/");
		assert_true(q->path_count < ROUTE_SEGMENTS_MAX);
		parts[q->path_count++] = (struct uri_part){path, (size_t)(end - path)};
	}
}

#endif

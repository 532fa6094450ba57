/*
 * map_method - request methods of HTTP and CoAP (RFC 7252 10.1, 10.2; RFC 8132).
 */
#ifndef TRANSLATE_MAP_METHOD_H
#define TRANSLATE_MAP_METHOD_H

#include <stdint.h>

#include "translate/http_message.h"

enum { METHOD_NONE = -1, METHOD_QUERY = -2 };

/* The CoAP code of an HTTP method, whose case counts (RFC 9110 9.1): HEAD is GET. METHOD_NONE for OPTIONS, TRACE, CONNECT and any other
 * word: 501. METHOD_QUERY for QUERY, which is FETCH where a route says so, else 501 too. */
int method_of_http(struct http_text method);

/* The HTTP method of a CoAP request code, or NULL: FETCH has none (a route may send it as QUERY or POST), nor has an unknown code. iPATCH
 * goes as PATCH, so HTTP no longer knows that it may be repeated. */
const char *method_of_code(uint8_t code);

#endif

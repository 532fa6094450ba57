/*
 * demo_trace - prints a message as it is on the wire: header, every option and the payload in hex.
 *
 * tools/run.sh reads what is printed: a message begins with "sent to " or "received from ", its lines are indented.
 */
#ifndef TOOLS_DEMO_TRACE_H
#define TOOLS_DEMO_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"

/* Prints to standard output and flushes it. */
void demo_trace(bool sent, const struct endpoint *peer, const uint8_t *bytes, size_t len);

#endif

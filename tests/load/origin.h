/*
 * origin - what the parts of the fleet of devices share.
 */
#ifndef TESTS_LOAD_ORIGIN_H
#define TESTS_LOAD_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coap/message.h" /* codes */

enum { PAYLOAD_MAX = 1024 };

/* Serves CoAP over TCP at `port` of every loopback address, with `payload_len` bytes in each response; `silent`: with nothing but the
   messages that a connection needs. Does not return. */
void origin_stream_run(uint16_t port, bool silent, size_t payload_len);

#endif

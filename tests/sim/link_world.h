/*
 * link_world - links (proxy/edge/stream_link.h) between peers that are sockets of the test and an owner that notes what he is told, under
 * the steered clock.
 *
 * One world at a time. link_run() lets the links do what they can now.
 */
#ifndef TESTS_SIM_LINK_WORLD_H
#define TESTS_SIM_LINK_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "proxy/edge/stream_link.h"
#include "proxy/exchange/proxy.h"

enum { NOTED_MAX = 1 << 20 };

struct link_world {
	struct event_base *base;
	struct proxy proxy;
	struct snapshot conf;
	struct listener listener;
	struct metrics metrics;
	struct stream_link *link; /* NULL: it was freed */
	int peer;                 /* the other end; -1: closed */
	/* what the owner was told */
	uint8_t noted[NOTED_MAX]; /* of each message: its length (4 bytes, of this machine) and itself, in datagram form */
	size_t noted_len;
	unsigned messages, opened, ended, freed, refused, writable, released, secured;
	enum error error;         /* it ended so */
	uint32_t hold_off;
	/* what he does */
	unsigned under_way;
	bool observed, malformed; /* malformed: he does not take the next message */
	void (*on_message)(const uint8_t *bytes, size_t len); /* or NULL */
	/* what the peer read */
	uint8_t got[NOTED_MAX];
	size_t got_len;
	bool got_end, got_reset;
};

extern struct link_world world;

int link_world_open(void **state);
int link_world_close(void **state);

/* A new link and the peer's end of it; what one before it left is forgotten. */
void link_begin(bool to_origin);
/* The same towards a port of this machine, where somebody listens or not. */
void link_begin_to_port(uint16_t port);
void link_run(void);
void link_pass(uint64_t microseconds);

/* The peer's side. */
void peer_send(const void *bytes, size_t len);
size_t peer_push(const void *bytes, size_t len); /* as much as the kernel takes */
void peer_read(void);                            /* all there is */
void peer_close(bool reset);                     /* reset: with what we sent unread, so that we get an error and no end */
/* Frames of these messages: written to out, returns the length. */
size_t peer_message(uint8_t *out, uint8_t code, const char *token, const uint8_t *options, size_t options_len, size_t payload);
size_t peer_signal(uint8_t *out, uint8_t code, const uint8_t *options, size_t options_len);
/* His CSM, with Max-Message-Size if it is not 0. */
void peer_send_csm(uint32_t message_size);

/* The n-th frame that the peer read, in datagram form, parsed; false if there is none. */
bool peer_frame(unsigned n, struct msg_view *m);
unsigned peer_frames(void);
/* How many frames of this code he read; *last, if not NULL, is the last of them. */
unsigned peer_count(uint8_t code, struct msg_view *last);

#endif

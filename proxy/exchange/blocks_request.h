/*
 * blocks_request - the requests of a transfer: the body whole or by Block1 (RFC 7959 2.5), and those for the rest of an answer.
 */
#ifndef PROXY_EXCHANGE_BLOCKS_REQUEST_H
#define PROXY_EXCHANGE_BLOCKS_REQUEST_H

#include "proxy/exchange/blocks_state.h"

/* Asks with the next part of the body. Returns false if that has not come yet. */
bool blocks_send(struct blocks_state *s);

/* The device answered to it: sends on, again in another way, or has the final answer. */
void blocks_request_answered(struct blocks_state *s, const struct msg_view *m, enum error e);

/* The longest payload that the hop to the device takes beside the head. */
size_t blocks_message_room(const struct blocks_state *s);

/* Asks for the block of the answer that follows what was received. */
void blocks_ask_next(struct blocks_state *s);

/* The answer has become another one halfway: the whole is to be asked for again. False if that is not safe, or was done often enough. */
bool blocks_send_again(struct blocks_state *s);

#endif

/*
 * blocks_answer - the answers of a transfer, block by block (RFC 7959 2.4), and notifications (RFC 7959 2.6), to its owner.
 */
#ifndef PROXY_EXCHANGE_BLOCKS_ANSWER_H
#define PROXY_EXCHANGE_BLOCKS_ANSWER_H

#include "proxy/exchange/blocks_state.h"

/* The final answer, a notification, or the first block of either; e: why the gateway made it. */
void blocks_answer_begin(struct blocks_state *s, const struct msg_view *m, enum error e);

/* A later block. */
void blocks_answer_more(struct blocks_state *s, const struct msg_view *m, enum error e);

/* Asks for the next block if the owner has room. Returns false if it has none. */
bool blocks_fetch(struct blocks_state *s);

/* The gateway cannot bring it to its end, which counts as e. The owner is told as far as it has not heard: by an answer of ours, or by the end
 * of what it has. */
void blocks_fail(struct blocks_state *s, enum error e);

/* A notification came. It takes the place of anything older that is not complete. */
void blocks_notified(struct blocks_state *s, const struct msg_view *m, enum error e, bool at_once);

/* Hands over the notification that waits. Returns false if there is none, or still no room. */
bool blocks_take_pending(struct blocks_state *s);

#endif

/*
 * observe - relayed observations (RFC 7641 5, RFC 8613 4.1.3.5): own numbers and message types on each leg.
 *
 * An observation lies beside the exchange that registered it; the exchange keeps its upstream token and port as long as
 * it lasts. Nothing is registered, refreshed or aggregated on the gateway's own account.
 */
#ifndef PROXY_EXCHANGE_OBSERVE_H
#define PROXY_EXCHANGE_OBSERVE_H

#include "proxy/exchange/proxy.h"

/* Puts an observation beside an exchange that asks to register; a copy of its request is kept (NULL for a stand-in: its client's worker
 * has it). Returns ERR_NONE, or the limit it ran into (the request then goes on as an ordinary one, RFC 7641 4.1). */
enum error observe_begin(struct proxy *p, struct exchange *x, const struct msg_view *request);

/* A request that refreshes it goes on: that is the one it stands for now. Without memory the one before stays. */
void observe_keep_request(struct proxy *p, struct observation *o, const struct msg_view *request);

/* Forgets it (the exchange goes on, or is being freed). */
void observe_end(struct proxy *p, struct observation *o);

/* The next Observe value towards the client: 24 bits, strictly increasing, also over a new registration (RFC 7641 4.4). */
uint32_t observe_next_sequence(struct observation *o);

/* A notification of the origin for an established observation. Ends the exchange if it is the last one. */
void observe_on_notification(struct proxy *p, struct exchange *x, const struct msg_view *m);
/* The client's side of it: sends it on, or keeps it for when it can leave. */
void observe_deliver(struct proxy *p, struct exchange *x, const struct msg_view *m);

/* The gateway ends the observation itself, with an error in the place of the last notification (RFC 7641 4.2). The exchange is gone, or is
 * telling the origin. */
void observe_withdraw(struct proxy *p, struct observation *o, enum error e);

/* The origin's answer to a registration, refresh or cancel was relayed: the observation goes on or ends. Returns true if
 * the exchange lives on. */
bool observe_after_answer(struct proxy *p, struct exchange *x, const struct msg_view *m);
/* Called before relaying it: whether the origin accepted. */
void observe_before_answer(struct exchange *x, const struct msg_view *m);

/* The client acknowledged a confirmable notification / rejected one or fell silent (RFC 7641 4.5). */
void observe_delivered(struct proxy *p, struct observation *o);
void observe_client_gone(struct proxy *p, struct observation *o);

/* Before a repeat of the notification under way: if a newer one waits, it takes its place (RFC 7641 4.4, 4.5.2). */
void observe_supersede(struct proxy *p, struct observation *o);

/* NON notifications whose RST is still understood. */
void observe_remember_mid(struct observation *o, uint16_t mid);
struct observation *observe_by_mid(const struct client *c, uint16_t mid);

#endif

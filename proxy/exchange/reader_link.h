/*
 * reader_link - a worker's questions to the reader: gathered in packets, sent at the end of a turn, each with a time by which it is given
 * up.
 *
 * Nothing waits for the reader but who asked. A packet that cannot be sent is kept until it can, or until nobody wants an answer to it any
 * more; reader.queue of the configuration bounds the questions that are not settled, READER_PACKETS_MAX what is kept of them. Answers find
 * their questions by index and generation, so one that comes late finds nothing.
 *
 * No socket is known here: process/worker_reader.c has it.
 */
#ifndef PROXY_EXCHANGE_READER_LINK_H
#define PROXY_EXCHANGE_READER_LINK_H

#include "oscore/opening.h"
#include "proxy/exchange/proxy.h"

enum {
	READER_PACKETS_MAX = 32, /* 3 MB */
	READER_NOTE_MAX = 32,
};

/* A question under way. What it is about is its asker's, and lies here so that he needs no table. */
struct reader_ticket {
	/* It is settled: `a` is the answer, borrowed, with views into the packet; or NULL, and e says why there is none. The ticket is
	 * gone when this returns. NULL: nobody wants to know any more. */
	void (*settled)(struct reader_ticket *t, const struct opening_answer *a, enum error e);
	void *owner;
	uint8_t kind, note_len;
	uint8_t note[READER_NOTE_MAX];
	/* the link's */
	struct wheel_timer timer;
	struct proxy *proxy;
	uint32_t index, generation;
};

/* Where packets go. send: 1 if it took the packet, 0 if it would block (who implements it sees to it that reader_link_writable() is
 * called once it does not), -1 if nobody is there. */
struct reader_port {
	int (*send)(void *arg, const uint8_t *bytes, size_t len);
	void *arg;
};

/* Asks; q->id is set here. Returns the ticket with all but `settled` zero, for the caller to fill; or NULL with the reason in *e:
 * ERR_READER_ABSENT, ERR_READER_FULL, ERR_TOO_LARGE. `patience`: microseconds after which it is given up with ERR_READER_LATE. */
struct reader_ticket *reader_link_ask(struct proxy *p, struct opening_question *q, uint64_t patience,
	void (*settled)(struct reader_ticket *t, const struct opening_answer *a, enum error e), enum error *e);

/* Packets go there from now on (the struct is copied); NULL: nowhere, there is no reader. What was asked of the one before is settled with
 * ERR_READER_ABSENT. Returns 0, or -1 without memory: then there is none. */
int reader_link_attach(struct proxy *p, const struct reader_port *port);

/* At the end of a turn: what was asked leaves. Returns true if it turned out that nobody is there, so that who asked was told: there
 * may be something to send. */
bool reader_link_flush(struct proxy *p);
void reader_link_writable(struct proxy *p);

/* A packet came from the reader. */
void reader_link_packet(struct proxy *p, const uint8_t *bytes, size_t len);

/* Questions that are not settled. */
uint32_t reader_link_open(const struct proxy *p);

/* Whether the greater part of reader.queue is free, or there is nobody to be asked. */
bool reader_link_has_room(const struct proxy *p);

/* reader.queue is that of p->conf from now on. */
void reader_link_renew(struct proxy *p);
void reader_link_destroy(struct proxy *p); /* nobody is told */

#endif

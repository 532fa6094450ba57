/*
 * reading_state - what reading.c (life, taps), reading_gate.c (gates) and reading_tell.c (counters, logs, feeds) share.
 */
#ifndef PROXY_EXCHANGE_READING_STATE_H
#define PROXY_EXCHANGE_READING_STATE_H

#include "proxy/exchange/feed.h"
#include "proxy/exchange/reader_link.h"
#include "proxy/exchange/reading.h"

enum {
	READING_OPTION = 40,     /* bytes of an OSCORE option that lie in the object: nearly all are shorter */
	READING_PATH_MAX = 255,  /* characters of a path that the access log tells */
	READING_GATHERS = 32,    /* bodies in outer blocks, each of OPENING_PAYLOAD_MAX at most */
	READING_PASSED = 1024,   /* requests whose answers are asked for in blocks */
};

/* What came of reading a message: an enum opening_verdict, or one of these. */
enum reading_result {
	READING_UNASKED = OPENING_VERDICTS, /* or not settled yet */
	READING_MISSED,                     /* the reader was not there, too slow, or its queue was full */
	READING_PARTIAL,                    /* it came in Outer blocks, each of which is no message */
};

enum reading_wait {
	READING_WAITS_FOR_NOTHING,
	READING_GATE_FIRST, READING_GATE_AGAIN, READING_GATE_ERRAND,
	READING_GATE_RENEWED, /* an observation that goes on unless the gate of a new configuration says otherwise */
};

/* In reader_ticket.kind: which message, and in the bits above of which request of the exchange. */
enum reading_kind {
	READING_REQUEST, READING_RESPONSE, READING_NOTIFICATION,
	READING_AGAIN, /* the request of an observation that goes on: it was told when it came, so this is for the gate alone */
	READING_KINDS,
};

struct reading {
	uint32_t index, serial;      /* serial: no other has it */
	struct proxy *proxy;
	struct wheel_timer timer;    /* the end of awaits_line and awaits_rest, once the exchange has ended */
	bool awaits_rest;            /* of an answer in outer blocks, which other exchanges bring: its line waits for that */
	bool awaits_line;            /* a requester's line will come (reading_keep_requesters_line()) */
	struct exchange *exchange;   /* NULL: it has ended */
	struct snapshot *conf;       /* kept: `route` is of it */
	const struct route *route;
	struct endpoint client, origin;
	uint64_t number;             /* feed_exchange_number(); 0: no feed */
	uint32_t listener;
	uint16_t asked;              /* questions that are not settled */
	bool held, has_origin;
	bool request_asked;          /* about the request */
	bool answered;               /* what answers the request is known: nothing more comes for its line */
	/* the request */
	uint8_t round;               /* counts the requests of an observation */
	uint8_t option_len;
	uint8_t option[READING_OPTION];
	struct buffer long_option;   /* in its place, where it is longer */
	uint8_t request, response;   /* what came of reading them: enum reading_result or opening_verdict */
	bool seen;                   /* the request was */
	uint8_t method, code;        /* Inner; CODE_EMPTY: not known, or not to be told */
	uint16_t counted_path;       /* index in route->read->count_paths, or one behind: of none; see read_metrics.h */
	struct buffer path, line;    /* of the access log */
	/* a gate */
	uint8_t wait;                /* enum reading_wait */
	struct buffer message;       /* the request while it waits */
	struct errand *errand;       /* which waits */
	const struct reader_ticket *awaited; /* the question it waits for, if it does: one that was asked before judges nothing */
	/* a tap */
	struct gather *gather;       /* the request's body, whole: until the call returns that made it so */
	uint64_t rest;               /* key of the gathered answer that it has begun; 0: none */
};

/* A body of which outer blocks were seen. */
struct gather {
	uint64_t key, at;
	uint8_t *bytes;              /* owned; NULL: it is free */
	size_t len, capacity;
	/* an answer's: of its request, and whose reading began it, if that is still there */
	uint64_t number, first;
	uint8_t method;
	uint16_t counted_path;
};

struct readings {
	struct slab *slab;
	uint32_t serial;
	struct { uint64_t key, until; } passed[READING_PASSED];
	struct gather gathers[READING_GATHERS];
};

static inline const uint8_t *reading_option(const struct reading *d)
{
	return d->long_option.bytes != NULL ? d->long_option.bytes : d->option;
}

/* ---- reading.c ---- */

/* What is read of the request m of x; of what was read of one before, only questions under way remain. NULL without memory. */
struct reading *reading_begin(struct proxy *p, struct exchange *x, const struct msg_view *m);

/* Asks about a message of d. Returns the question, or NULL with the reason in *e. */
const struct reader_ticket *reading_ask(struct reading *d, enum reading_kind kind, struct opening_question *q, uint64_t patience,
	enum error *e);

/* The request of d was read, perhaps behind the beginning of its answer: who reads the rest of that is told. */
void reading_tell_rest(const struct reading *d);

/* Something of d was settled: what waited for that happens, and it may be gone. */
void reading_check(struct reading *d);

/* ---- reading_gather.c ---- */

/* NONE: the body's beginning was not seen. BROKEN: it will never be whole. */
enum gathered { GATHER_NONE, GATHER_MORE, GATHER_WHOLE, GATHER_BROKEN };

/* Adds the block m of the body of this key. WHOLE: *g has it, and the caller drops that. */
enum gathered gather_block(struct readings *all, uint64_t key, const struct opt_block *b, const struct msg_view *m, struct gather **g);
void gather_drop(struct gather *g);
/* The body of this key, or NULL. */
struct gather *gather_find(struct readings *all, uint64_t key);

/* ---- reading_gate.c ---- */

/* Judges a request that waits: a, or the reason why it was not read. ERR_NONE, or why it is refused. */
enum error reading_judge(const struct reading *d, const struct opening_answer *a, enum error e);
/* And lets it go on, or refuses it. read: it was. */
void reading_decided(struct reading *d, enum error e, bool read);

/* Asks about the request m of an observation again. */
void reading_gate_renewed(struct reading *d, const struct msg_view *m);

/* ---- reading_tell.c ---- */

/* A message was read (a), or was not (NULL; result says why): counters, alarms, feed, and what the access log will say. refused: by a
 * gate. */
void reading_tell(struct reading *d, enum reading_kind kind, bool current, const struct reader_ticket *t, const struct opening_answer *a,
	enum reading_result result, enum error refused);
void reading_write_line(struct reading *d);

#endif

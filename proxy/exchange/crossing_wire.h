/*
 * crossing_wire - the records that cross between workers, and the rings they go through. Private to crossing*.c.
 */
#ifndef PROXY_EXCHANGE_CROSSING_WIRE_H
#define PROXY_EXCHANGE_CROSSING_WIRE_H

#include "proxy/exchange/proxy.h"

enum crossing_kind {
	/* from the client's half to the home; behind the first two stands the datagram as it will leave, and before that the texts of
	 * struct edge_credentials, terminated, if their length is not 0 */
	CROSSING_REQUEST = 1,
	CROSSING_AGAIN,       /* a refresh or cancel of an observation */
	CROSSING_ACKNOWLEDGE, /* the notification `mid` was passed on */
	CROSSING_CANCEL,      /* nobody listens any more */
	/* from the home to the client's half; behind the first two stands the datagram of the origin, and before that, if `offender` is its
	 * length, the endpoint of the member of a group that sent it */
	CROSSING_ANSWER,
	CROSSING_NOTIFICATION,
	CROSSING_ERROR,       /* ends both */
	CROSSING_DONE,        /* the home has ended without an answer, as was asked (RFC 7967) */
};

/* What every record begins with. The client's half names the pair. */
struct crossing_record {
	uint8_t kind;
	uint8_t last;          /* this half has ended; of a cancel: the origin is to be told */
	uint16_t mid;
	uint32_t from, to;     /* incarnations of the two workers */
	uint32_t index;        /* of the client's half in its slab */
	uint8_t salt[5];       /* of the client's half */
	uint8_t retransmissions;
	uint16_t error, offender;
	uint32_t retry_after;  /* seconds */
	uint64_t sent_at;
};

/* A request: all that the home must know of it. No field depends on a configuration, which may differ for a moment. */
struct crossing_request {
	struct crossing_record record;
	struct endpoint client, origin;
	uint32_t client_hash;
	uint16_t listener;
	uint8_t code, observe, no_response, block1;
	uint8_t verified, oscore, confirmable, has_block2; /* 0 or not */
	uint32_t patience, patience_acknowledged, rest, patience_in_all; /* milliseconds */
	uint16_t texts_len;
	uint32_t return_route; /* of struct exchange, as are the next two */
	uint64_t return_to;
	struct local_address local;
	uint64_t resource, arrived_at, deadline;
};

enum { CROSSING_TEXTS_MAX = 512, CROSSING_RECORD_MAX = sizeof(struct crossing_request) + CROSSING_TEXTS_MAX + BUFFER_LARGEST };

/* A record that found no room in its ring. */
struct crossing_late;

struct crossing_peer {
	struct ring in, out;
	uint32_t incarnation;         /* of that worker, as last seen */
	uint32_t *halves;             /* index of its exchange -> 1 + index of our half; HOUSE_SENT of them */
	struct crossing_late *first, *last;
	size_t late;                  /* of these */
};

struct crossings {
	uint32_t incarnation;         /* the own one */
	struct proxy *proxy;
	struct slab *slab;            /* of struct crossing */
	struct wheel_timer retry;     /* set while records wait for room */
	struct crossing_peer peers[HOUSE_WORKERS_MAX];
};

/* Puts a request in, with texts of q->texts_len bytes. Returns 0, or -1 if it found no room: it is then not sent. */
int crossing_put_request(struct proxy *p, unsigned to, const struct crossing_request *q, const char *texts, const uint8_t *bytes, size_t len)
	__attribute__((warn_unused_result));

/* Writes host and identity behind each other, terminated. Returns their length, 0 if the origin is not named, or -1 if they are too long. */
int crossing_write_texts(const struct endpoint *origin, const struct edge_credentials *c, char texts[CROSSING_TEXTS_MAX]);
/* Reads them, if there are any. Returns false if they are not two texts that fill their length. */
bool crossing_read_texts(const uint8_t *texts, size_t len, struct edge_credentials *c);

/* Puts any other record in, behind what waits: these answer, or end, what was taken on, so they wait for room. */
void crossing_put(struct proxy *p, unsigned to, const struct crossing_record *r, const uint8_t *bytes, size_t len);

/* A notification of x that is not the last. Of those that wait for room only the newest of each observation is kept; one that it replaces is
 * acknowledged to the origin. */
void crossing_put_notification(struct proxy *p, struct exchange *x, const struct crossing_record *r, const uint8_t *bytes, size_t len);
/* A record of crossing_tell_of_client(). Returns false if it is not a sound one. */
bool crossing_take_news(struct proxy *p, unsigned kind, const uint8_t *bytes, size_t len);
/* c goes: what waits of it is replaced by nothing any more. */
void crossing_forget_newest(struct crossing *c);

#endif

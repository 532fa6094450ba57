/*
 * blocks - a request with a body of any length and its answer with a body of any length, by as many exchanges as it takes
 * (RFC 7959, RFC 9175 3, RFC 8613 4.1.3.4.2): the block layer towards devices.
 *
 * Who asks hands over a head (a CoAP request without payload) and a body that is pulled a block at a time, and gets a head and a body that
 * is pushed a block at a time, as fast as he takes it. Nothing here knows what he is. One block is under way at a time.
 */
#ifndef PROXY_EXCHANGE_BLOCKS_H
#define PROXY_EXCHANGE_BLOCKS_H

#include "proxy/exchange/requester.h"

enum {
	BLOCKS_HELD = 65536, /* bytes of one body that its owner holds at most, in each direction */
	BLOCKS_KEPT = 40960,  /* bytes of a body that its owner keeps until all of it is sent: he must have room to read on till then, though
	                       * TLS reads ahead of him and he makes no small reads */
	BLOCKS_HEAD_MAX = 1536, /* bytes of a request's head */
};

#define BLOCKS_SIZE_UNKNOWN UINT64_MAX

struct transfer;

/* What the owner of a transfer does when it is told. None may free the transfer but `end`; all may be called before
 * transfer_begin() or transfer_continue() returns. */
struct transfer_calls {
	/* Copies up to `room` bytes of the request's body from `offset` on. Returns how many; *last is set if they reach its end. Fewer than
	 * `room` and not *last: the rest has not come; transfer_continue() says when there is more. NULL: there is no body. */
	size_t (*body)(struct transfer *t, uint64_t offset, uint8_t *bytes, size_t room, bool *last);
	/* The bytes of the request's body before `offset` are not asked for again. */
	void (*body_taken)(struct transfer *t, uint64_t offset);
	/* The head of the answer (`m`, borrowed, of which the block options and payload are not for the owner), or of a notification. `size`: of
	 * the whole body where all of it has come, never what a device says of it; else BLOCKS_SIZE_UNKNOWN. e: ERR_NONE if it is the origin's,
	 * else why the gateway made it. */
	void (*head)(struct transfer *t, const struct msg_view *m, enum error e, uint64_t size, bool notification);
	/* How many bytes of the answer's body the owner takes now. The next block is asked for only when it is at least the size of one. */
	size_t (*room)(struct transfer *t);
	void (*data)(struct transfer *t, const uint8_t *bytes, size_t len);
	/* The answer, or the notification, is complete; e: ERR_NONE if it is whole, else what cut it off behind its head. `more`: notifications
	 * (may) follow, else the transfer is over, may be freed, and does not look at *t again. */
	void (*end)(struct transfer *t, enum error e, bool more);
	/* The route that takes the request under a new configuration, or NULL (requester.h). */
	const struct route *(*decide)(struct transfer *t, struct snapshot *conf);
};

struct transfer_plan {
	struct request_origin from;
	const uint8_t *head;      /* datagram with options, without payload and block options; copied */
	size_t head_len;
	bool has_body;
	uint64_t body_size;       /* or BLOCKS_SIZE_UNKNOWN: Size1 */
	uint64_t answer_limit;    /* bytes of the answer's body: above, it is cut off (ERR_RESPONSE_SIZE) */
	uint32_t threshold;       /* a body up to this long goes whole, if it is known to be so (RFC 8075 8.3) */
	uint16_t block_size;      /* 16..1024, a power of two: the largest sent or asked for */
	bool head_only;           /* the answer's body is not wanted (HEAD): only its first block is asked for, as a small one */
	struct hop hop;           /* to the device, if it is known; else all zero */
	bool may_be_old;          /* it may have been held up on its way: to a device that asks for freshness it is not repeated, if it is unsafe */
};

/* One under way. The owner embeds it; what is inside is blocks.c's. */
struct transfer {
	struct requester requester;
	const struct transfer_calls *calls;
	struct blocks_state *state;   /* NULL: it is over */
};

/* Begins. Without memory the answer is ERR_OVERLOAD, by the calls. */
void transfer_begin(struct proxy *p, struct transfer *t, const struct transfer_calls *calls, const struct transfer_plan *plan);

/* More of the body came, or there is room for more of the answer. */
void transfer_continue(struct transfer *t);

/* The body of the request will not come to its end (its sender is gone or too slow): what was begun at the device is left to expire. The
 * owner, if he has heard nothing yet, is given an answer of ours with that error, else he is told end(e). */
void transfer_abort_body(struct transfer *t, enum error e);

/* The owner wants nothing more and is called no more. An observation is cancelled. */
void transfer_leave(struct transfer *t);

/* Whether it waits for the device, or for its turn there, and not for its owner. */
bool transfer_is_asking(const struct transfer *t);

#endif

/*
 * blocks_state - what is known of one transfer while it is under way; shared by the files of the block layer alone (blocks.h).
 *
 * A transfer sends its request (whole or by Block1), then fetches the rest of the answer by Block2, then, if it observes, rests until a
 * notification comes; between two blocks it pauses while the gateway has no Message ID or no room for the next. Everything that happens ends
 * in a loop (blocks.c) that goes on as far as can be without waiting: a body of any length needs no deeper stack than a short one, even
 * where answers come at once.
 */
#ifndef PROXY_EXCHANGE_BLOCKS_STATE_H
#define PROXY_EXCHANGE_BLOCKS_STATE_H

#include "proxy/exchange/blocks.h"

enum {
	BLOCK_NUMBER_MAX = (1 << 20) - 1, /* RFC 7959 2.2 */
	BLOCK_SZX_MAX = OPT_SZX_LARGEST,  /* of datagrams */
	BLOCKS_BERT_MAX = MSG_MAX - OPT_BLOCK_LARGEST, /* bytes of a block of SZX 7 */
	BLOCKS_WHOLE_MAX = 1024,          /* bytes of a body that goes in one message (RFC 7252 4.6) */
	BLOCKS_SEALING = 64,              /* by which OSCORE makes an inner block of that size longer: it is not cut for these */
	BLOCKS_RESTARTS = 2,              /* of an upload, of the fetching of one answer, and challenges answered */
	BLOCKS_TAG = 8,                   /* bytes of a Request-Tag (RFC 9175 3.2) */
	BLOCKS_ECHO_MAX = 40,             /* bytes of an Echo value (RFC 9175 2.2.1) */
	BLOCKS_ETAG_MAX = 8,
};

enum blocks_phase { BLOCKS_SENDING, BLOCKS_FETCHING, BLOCKS_RESTING };

/* How the request's body goes. */
enum blocks_mode { BLOCKS_UNDECIDED, BLOCKS_WHOLE, BLOCKS_CUT };

struct blocks_sending {
	uint64_t size;        /* of the body as announced, or BLOCKS_SIZE_UNKNOWN */
	uint64_t offset;      /* where the block under way, or the next one, begins */
	uint32_t threshold;
	uint16_t len;         /* bytes of the block under way, or of the whole body */
	uint8_t mode;         /* enum blocks_mode */
	uint8_t szx;          /* of the blocks, once it is cut */
	uint8_t restarts;
	uint8_t tag[BLOCKS_TAG];
	bool has_body;
	bool more;            /* the block under way is not the last */
	bool taken;           /* the owner was told that the beginning is not needed again */
	bool asked_block2;    /* the request under way names a size for the answer's blocks */
	bool no_blocks;       /* the device is said to know no block options */
	bool fell_back;       /* it said so in this transfer */
	bool sized;           /* what is under way is as large as a reliable hop takes */
	bool measured;        /* what the hop takes was found out by its refusal, once */
};

struct blocks_answer {
	uint64_t received;    /* bytes of the body so far */
	uint64_t limit;
	struct buffer held;   /* the first of several blocks, until the second has come: the answer may still become another */
	int32_t content_format; /* -1: none */
	uint8_t code, restarts;
	uint8_t szx;          /* of the largest block asked for */
	uint8_t asked_szx;    /* of the one asked for last */
	uint8_t etag_len;     /* 0: none */
	uint8_t etag[BLOCKS_ETAG_MAX];
	bool delivered;       /* the owner has its head */
};

struct blocks_state {
	struct wheel_timer timer;   /* the end of a pause */
	struct transfer *transfer;  /* NULL: the owner is told nothing any more */
	struct proxy *proxy;
	struct requester rest;      /* asks for blocks while the transfer's own requester observes */
	struct request_origin from; /* a reference to its configuration is kept */
	struct endpoint member;     /* of a group: who answered, and is asked for the rest (`from.device`) */
	struct buffer head;         /* the request without payload and block options */
	struct blocks_sending sending;
	struct blocks_answer answer;
	struct buffer pending;      /* the newest notification, which the owner had no room for */
	enum error pending_error;
	uint64_t device;            /* names it in what was learned */
	struct hop hop;             /* to the device; all zero: not known */
	uint64_t refused_at;        /* since when it cannot ask; 0: it can */
	uint32_t index;             /* in its slab, or SLAB_NONE */
	uint8_t phase;              /* enum blocks_phase */
	uint8_t code;               /* of the request */
	uint8_t block_szx;          /* of the largest block sent or asked for */
	uint8_t echo_len, echoes;   /* the value that the device wants to see again, and how many it sent */
	uint8_t echo[BLOCKS_ECHO_MAX];
	bool oscore, head_only;
	bool repeats_unsafe;        /* what is unsafe may be repeated to a challenge */
	bool registers;             /* the head has an Observe option */
	bool asking;                /* a request is under way */
	bool pausing;               /* the gateway could not ask now; the same is asked when the timer ends */
	bool running;               /* the loop is at work, or what leads to it */
	bool answered;              /* the owner had a head already: what follows is a notification */
	bool pending_lost;          /* a notification that cannot be kept was the last one */
};

/* By which its number counts. */
static inline size_t block_bytes(uint8_t szx)
{
	return opt_block_unit(szx);
}

/* Whether the device accepted the observation. */
static inline bool blocks_observes(const struct blocks_state *s)
{
	return s->transfer->requester.exchange != NULL;
}

/* What came is one answer of a group's. To ask otherwise would be to ask all of it again. */
static inline bool blocks_is_from_group(const struct blocks_state *s)
{
	return s->transfer->requester.from_group;
}

/* Asks the device. The answer comes to blocks.c, perhaps before this returns. */
void blocks_ask(struct blocks_state *s, const uint8_t *bytes, size_t len);

/* What was asked for the rest of an answer is of no interest any more. */
void blocks_stop_asking(struct blocks_state *s);

/* The transfer is over: tells its owner so. */
void blocks_end(struct blocks_state *s, enum error e);

/* Reads a block option: 1, 0 if there is none, -1 if it cannot be (SZX 7 is for reliable transports alone). */
int blocks_read_option(const struct blocks_state *s, const struct msg_view *m, uint16_t number, struct opt_block *b)
	__attribute__((warn_unused_result));

/* A device asks for proof of freshness (RFC 9175 2.3): what was asked is to be asked again with its value. False if that is not for us to
 * answer: under OSCORE it is its client's affair, and of an unsafe request that may be old its owner's. */
bool blocks_take_challenge(struct blocks_state *s, const struct msg_view *m);

/* The device is remembered as one that knows no block options. */
void blocks_note_plain(struct blocks_state *s);

#endif

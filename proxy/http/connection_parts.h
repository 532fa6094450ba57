/*
 * connection_parts - how a connection (connection.h) lies in memory, for the files that make it up and no others: connection.c has its states
 * and time, reading.c what comes in, answer.c what goes out, server.c holds all of them.
 *
 * What request.c asks for is noted here and done at the end of the loop's turn (http_server_flush()), so that nothing calls into it while it
 * calls, and what one turn has to say to a client leaves in one call. A connection is freed only from the loop, a timer or there.
 */
#ifndef PROXY_HTTP_CONNECTION_PARTS_H
#define PROXY_HTTP_CONNECTION_PARTS_H

#include "base/peer_counts.h"
#include "base/wheel.h"
#include "proxy/edge/stream_socket.h"
#include "proxy/exchange/blocks.h"
#include "proxy/exchange/proxy.h"
#include "proxy/http/connection.h"
#include "proxy/http/parse.h"

enum connection_state {
	CONNECTION_PREFIX,   /* the header of the PROXY protocol is being read */
	CONNECTION_SECURING, /* the TLS handshake */
	CONNECTION_IDLE,     /* between requests */
	CONNECTION_HEAD,     /* a head is being read */
	CONNECTION_REQUEST,  /* a request is under way: its body comes, its answer goes */
	CONNECTION_REST,     /* it was answered; the rest of its body is read and thrown away */
	CONNECTION_HANDOVER, /* it is another protocol's when the answers before have left */
	CONNECTION_LAST,     /* what is held goes out, nothing more is read */
	CONNECTION_LINGER,   /* all went out; read and thrown away, so that the client is not reset before it has read the answer */
	CONNECTION_STATES,
};

enum answer_form {
	ANSWER_NONE,         /* not begun */
	ANSWER_EMPTY,        /* has no body, whatever comes */
	ANSWER_LENGTH,
	ANSWER_CHUNKED,
	ANSWER_UNTIL_CLOSE,  /* HTTP/1.0 */
};

struct http_connection {
	struct stream_socket socket;
	struct wheel_timer timer;
	struct http_connection *next, **link;         /* of all */
	struct http_connection *next_due, **due_link; /* of those whose turn comes; due_link NULL: not among them */
	struct proxy *proxy;
	struct peer_count *count;      /* of its client's connections; NULL: not counted */
	struct http_parser *parser;    /* NULL while idle */
	struct evbuffer *in;           /* behind the request under way; NULL: nothing */
	struct evbuffer *body;         /* of the request under way; NULL: it has none */
	struct http_request *request;  /* NULL: none is under way, or it was answered whole */
	http_connection_taker *taker;  /* CONNECTION_HANDOVER: who gets it, with this; NULL: nobody any more */
	void *taken_with;
	uint64_t read_due, write_due;  /* when the client must have sent something, taken something; 0: whenever it likes */
	uint64_t written;              /* bytes of answers and interim ones, held or sent */
	uint64_t written_before;       /* the present request */
	uint64_t sent;                 /* of them, as last looked at */
	uint64_t answer_left;          /* ANSWER_LENGTH: body bytes to come */
	uint64_t body_left;            /* of the request, if it has a length */
	uint32_t thrown_away;          /* bytes of this request's rest, or while lingering */
	uint32_t parsers;              /* the generation its parser is of */
	struct endpoint peer;
	struct local_address local;
	uint16_t local_port;
	uint8_t slot;
	uint8_t state;                 /* enum connection_state */
	uint8_t form;                  /* enum answer_form */
	bool is_secure;                /* of an https listener */
	bool old_version, asks_head;   /* of the request: HTTP/1.0, HEAD */
	bool keeps_alive;              /* it says that the connection may go on behind it */
	bool expects, continued;       /* 100 Continue is waited for, was sent */
	bool body_begun, body_ended;
	bool answer_ended, answer_cut;
	bool closing;                  /* no request is read behind the present one */
	bool client_closing;           /* so the client said itself: nothing will come to be reset by */
	bool peer_ended;               /* the client sends nothing more */
	bool ends_with_peer;           /* the request under way is over then */
	bool reset;                    /* what was sent must not look whole: closed so that the client sees an error */
	bool room_asked;               /* the request was told that there is little room */
	bool is_gathered;              /* reading.c: bytes of it were read and not looked at */
};

/* ---- connection.c ---- */

/* What all of them need. */
void http_connections_open(struct event_base *base);
/* A connection that was just accepted (takes fd, also where it fails). count: to be given back with it. Returns NULL without memory. */
struct http_connection *http_connection_new(struct proxy *p, const struct listener *l, int fd, const struct endpoint *peer,
	struct peer_count *count);
/* Sends what is held, as far as it is taken. What became of that its turn looks at. */
void http_connection_send(struct http_connection *c);
/* Its turn: goes on with what has come, sends what is held. It may be freed by this. */
void http_connection_turn(struct http_connection *c);
/* No other request is read behind the one under way; without one it is closed. `at_end`: the gateway drains, which the request is told. */
void http_connection_end(struct http_connection *c, bool at_end);
/* At once, whatever is under way: the request is told. */
void http_connection_destroy(struct http_connection *c, bool reset);
/* For the other files: */
void http_connection_enter(struct http_connection *c, enum connection_state state);
/* What is waited for now may take its whole time from now on. */
void http_connection_wait(struct http_connection *c);
/* Nothing more is read; what is held goes out first. */
void http_connection_enter_last(struct http_connection *c);
void http_connection_free_buffer(struct evbuffer **b);

/* ---- reading.c ---- */

/* Reads once, and goes on with what came. */
void http_reading_read(struct http_connection *c);
/* The same for what begins a request over a plain connection, but goes on with it later, by http_reading_take_gathered(). Whether it did; if not it
 * has done nothing.
 *
 * Between two requests the kernel reads from a socket, and its code and ours push each other out of the processor's caches. So bytes of as many
 * connections as have some are gathered first. */
bool http_reading_gather(struct http_connection *c);
/* Goes on with what was gathered: of connections whose turn comes then. Whether there was any. */
bool http_reading_take_gathered(void);
/* It is being freed. */
void http_reading_forget_gathered(const struct http_connection *c);
/* Reads once, for nobody. */
void http_reading_throw_away(struct http_connection *c);
/* Keeps bytes that cannot be gone on with yet. Returns 0, or -1 without memory. */
int http_reading_hold(struct http_connection *c, const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));
/* There is room for what a read may bring. */
bool http_reading_has_room(const struct http_connection *c);
/* Goes on with what was held, as far as that is possible now; whether it is. */
void http_reading_go_on(struct http_connection *c);
bool http_reading_may_go_on(const struct http_connection *c);
/* Looks at what request.c did, before anything else happens to the connection. */
void http_reading_settle(struct http_connection *c);
/* What cannot be read as a request, or not in time. */
void http_reading_refuse(struct http_connection *c, unsigned status, const char *why);
/* A request under way whose body does not come to its end: it is answered with this status, and nothing is read any more. */
void http_reading_fail(struct http_connection *c, unsigned status);
/* The parser is not wanted for now; `usable`: it stands before a message, and may be another's. */
void http_reading_end(struct http_connection *c, bool usable);
/* Parsers are made anew, by the limits of the configuration in force. */
void http_reading_forget_parsers(void);

/* ---- answer.c ---- */

/* The answer to what could not be read: a short text; the connection ends behind it. */
void http_answer_refusal(struct http_connection *c, unsigned status, const char *why);

/* ---- server.c ---- */

/* Its turn comes at the end of the loop's. */
void http_server_note_due(struct http_connection *c);
/* It is being freed. */
void http_server_forget(struct http_connection *c);
/* Counts it for its client, who was told by a balancer. False: he has as many as he may. */
bool http_server_admit(struct http_connection *c);
/* An empty buffer, for whoever has none. */
struct evbuffer *http_server_nothing(void);
/* Tells a client of a plain connection that there is no room for it. */
void http_server_send_refusal(int fd);

#endif

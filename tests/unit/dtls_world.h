/*
 * dtls_world - a gateway's DTLS without sockets: what it sends and tells is kept, datagrams go where a test wants them to, and time stands still
 * until it says otherwise. Its own origins' side can be led to its own listener, so that it speaks with itself; others are OpenSSL alone.
 *
 * One world at a time. To be included behind cmocka.h.
 */
#ifndef TESTS_UNIT_DTLS_WORLD_H
#define TESTS_UNIT_DTLS_WORLD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/edge/dtls.h"
#include "proxy/exchange/proxy.h"

enum { WORLD_DATAGRAMS = 512, WORLD_DATAGRAM = 4096, WORLD_NOTES = 512, WORLD_SLOT = 3 /* of the listener */ };

/* ---- the gateway ---- */

/* What the listener and the origins' side are given. */
struct world_files {
	const char *psk, *certificate, *key, *client_ca; /* of the listener; NULL: none */
	const char *up_psk, *up_certificate, *up_key, *up_ca;
	bool client_certificate;                        /* required */
};

struct world {
	struct proxy proxy;
	struct metrics metrics;
	struct snapshot conf;
	struct listener listener;
	struct material material;
	struct conf_file files[8];
};
extern struct world world;

/* Begins with settings that are the defaults; a test may change world.conf.settings before world_use(). */
void world_begin(void);
void world_end(void);
/* Puts files in force. Returns what dtls_renew() does. */
int world_use(const struct world_files *f);
/* Steers the clock on and runs the timers on the way. */
void world_wait(uint64_t microseconds);

/* ---- the network ---- */

/* A datagram that was sent and has not arrived. */
struct world_datagram {
	bool at_gateway;              /* it goes to the gateway: to its listener, or (upstream) to a source port */
	bool upstream;                /* it comes from, or goes to, a source port */
	struct endpoint from, to;     /* sources are ports WORLD_SOURCE + slot of 192.0.2.2 */
	struct local_address local;   /* of the listener */
	unsigned slot;
	size_t len;
	uint8_t bytes[WORLD_DATAGRAM];
};
enum { WORLD_SOURCE = 20000, WORLD_PORT = 5684 };

extern struct world_datagram world_queue[WORLD_DATAGRAMS];
extern size_t world_queued;
extern unsigned world_sent; /* datagrams by the gateway, in all */

struct endpoint world_peer(const char *address, uint16_t port);
/* Takes the datagram at this place of the queue out, and returns it (until the next call). */
const struct world_datagram *world_take(size_t at);
/* Lets one arrive: at the gateway, or at the bare end that has its address (else it is lost). */
void world_arrive(const struct world_datagram *d);
/* Lets all arrive, and what they bring about. */
void world_run(void);
/* Called for each datagram that world_run() would let arrive, if it is not NULL: how many times it arrives. */
extern unsigned (*world_fate)(const struct world_datagram *d);
void world_forget_datagrams(void);
/* Puts one in by hand, from somebody to the listener. */
void world_inject(const struct endpoint *from, const void *bytes, size_t len);
/* ---- others ---- */

/* An end that is OpenSSL alone, at an address. */
struct bare {
	struct endpoint at;
	SSL_CTX *context;
	SSL *ssl;
	bool server;                  /* an origin */
	const struct world_datagram *in_hand;
	struct endpoint peer;         /* whom it answers: the last that spoke to it */
	bool failed;
	char message[2048];           /* the last it has read */
	int message_len;
	unsigned messages;
	char host[256];               /* of SNI: that a client asks for, or a server was asked for */
	SSL_SESSION *resumed;         /* borrowed */
	long mtu;
};
void bare_client(struct bare *b, const char *address, uint16_t port, const char *ciphers);
void bare_server(struct bare *b, const char *address, uint16_t port, const char *ciphers);
void bare_key(struct bare *b, const char *identity, const char *hex);
/* A client asks for this name from now on (SNI). */
void bare_named(struct bare *b, const char *name);
/* Begins (again): a new SSL on the same context; by a session that it had. */
void bare_start(struct bare *b);
void bare_resume(struct bare *b, SSL_SESSION *session);
void bare_free(struct bare *b);
/* Time passes for the gateway and for it, and what is due is sent again; everything arrives. */
void bare_wait(struct bare *b, uint64_t microseconds);
void bare_send(struct bare *b, const void *bytes, size_t len);
bool bare_is_open(const struct bare *b);
/* What it has in hand or owes is done. */
void bare_step(struct bare *b);

/* ---- what the gateway told the layer above ---- */

enum world_kind { TOLD_SESSION, TOLD_GONE, TOLD_MESSAGE, TOLD_ANSWER, TOLD_LOST };

struct world_note {
	enum world_kind kind;
	unsigned slot;                /* listener, or source port */
	struct endpoint peer;
	enum error error;             /* TOLD_LOST */
	bool sent;
	bool truncated;
	size_t len;
	uint8_t bytes[2304];
	char name[128];               /* TOLD_SESSION */
};
extern struct world_note world_notes[WORLD_NOTES];
extern size_t world_told;

unsigned world_count(enum world_kind kind);
/* The last of a kind, or NULL. */
const struct world_note *world_last(enum world_kind kind);
/* Called at each note, if it is not NULL. */
extern void (*world_on_note)(const struct world_note *n);

#endif

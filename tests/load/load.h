/*
 * load - what the parts of the load generator share: its options, its requests, its clients' sockets.
 *
 * Times are in nanoseconds of CLOCK_MONOTONIC unless a name says otherwise.
 */
#ifndef TESTS_LOAD_LOAD_H
#define TESTS_LOAD_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LOAD_PIDS_MAX = 64, LOAD_WINDOW_MAX = 4096, LOAD_CLIENTS_MAX = 60000, LOAD_DEVICES_MAX = 60000 };
enum { LOAD_TOKEN = 4, LOAD_HEAD = 4 + LOAD_TOKEN, LOAD_TAIL_MAX = 128, LOAD_DATAGRAM_MAX = LOAD_HEAD + LOAD_TAIL_MAX };
enum { LOAD_SCHEME_MAX = 9 };
enum { LOAD_CON, LOAD_NON, LOAD_ACK, LOAD_RST };
enum load_carrier { LOAD_UDP, LOAD_TCP, LOAD_DTLS };

#define LOAD_SECOND 1000000000ull
#define LOAD_ACK_TIMEOUT (2 * LOAD_SECOND)
enum { LOAD_MAX_RETRANSMIT = 4 };

struct load_options {
	enum load_carrier carrier; /* between the clients and the proxy */
	const char *scheme;    /* of the origins */
	bool confirmable;
	bool oscore;           /* shaped like OSCORE; else a plain GET */
	bool direct;           /* without Proxy-Uri, Proxy-Scheme and what goes with them */
	bool sealed;           /* they are OSCORE, each protected with the context of its client (sealed.h) */
	uint64_t sequence;     /* the first Partial IV of each */
	bool own_address;      /* every client has a source address of its own */
	unsigned source;       /* number of the first source address, counted from 127.2.0.0; 0: the kernel chooses */
	unsigned clients;
	unsigned window;       /* requests under way for each client */
	unsigned devices;
	double seconds;
	double drain;          /* seconds to wait at the end for what is under way */
	double rate;           /* requests a second, where a mode is paced */
	uint64_t count;        /* requests, where a mode is counted */
	uint16_t proxy_port, origin_port;
	int pids[LOAD_PIDS_MAX];
	size_t pid_count;
};

/* A request from behind its token on; made once for each device. */
struct load_request {
	uint8_t code;
	uint8_t len;
	uint8_t tail[LOAD_TAIL_MAX];
};

uint64_t load_now(void);
uint64_t load_random(void);

/* CPU time of the watched processes until now, in microseconds. */
double load_cpu_us(const struct load_options *o);

/* One request for each device; the caller frees the array. Ends the program without memory. */
struct load_request *load_requests_new(const struct load_options *o);

/* So many sealed requests for each client, of client i from i * each on, made before anything is measured; the caller frees the array. */
struct load_request *load_sealed_new(const struct load_options *o, size_t each);
/* How many that a run can use. */
size_t load_sealed_each(const struct load_options *o);

/* Writes a request of LOAD_DATAGRAM_MAX bytes at most; returns its length. */
size_t load_request_write(uint8_t *out, const struct load_options *o, const struct load_request *request, uint16_t mid,
	uint32_t token);
uint32_t load_token_read(const uint8_t *datagram);

/* Source address number `n`, in host order: 127.2.0.0 + n. */
uint32_t load_source_address(unsigned n);

/* A non-blocking socket of client `index`, connected to the proxy. Ends the program if there is none to be had. */
int load_client_open(const struct load_options *o, unsigned index);

/* Acknowledges the confirmable message `datagram` on a connected socket. */
void load_acknowledge(int fd, const uint8_t *datagram);

/*
 * A client's way to the proxy, whatever carries it. Messages are given and taken in the form of a datagram; those of TCP have Message ID 0
 * there and are non-confirmable. The caller says when what was sent has to leave: until then requests over TCP are joined.
 */
struct load_link;

/* Opens it; the handshake of DTLS (as client `index`) and the CSM of TCP are behind it then. Ends the program if that fails. */
struct load_link *load_link_open(const struct load_options *o, unsigned index);
int load_link_fd(const struct load_link *link);

/* False if it cannot be sent. */
bool load_link_send(struct load_link *link, const uint8_t *datagram, size_t len);
bool load_link_flush(struct load_link *link);

/* Reads what has come, with `take` for each message; false when the connection has ended. */
bool load_link_read(struct load_link *link, void (*take)(unsigned index, const uint8_t *datagram, size_t len));

/* The modes. Each prints its result as one line of name=value and returns the program's exit status. */
int load_loop_run(const struct load_options *o);  /* closed loop: load_loop.c */
int load_hold_run(const struct load_options *o);  /* requests kept under way: load_hold.c */
int load_fill_run(const struct load_options *o);  /* requests that are refused, each from another endpoint or with another
                                                     Message ID: load_fill.c */
int load_flood_run(const struct load_options *o); /* sources that never read: load_flood.c */
int load_keys_run(const struct load_options *o);  /* prints what a gateway needs to read sealed requests: load_request.c */

#endif

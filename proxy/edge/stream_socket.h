/*
 * stream_socket - the bytes of one connection, both ways: of its socket, or of TLS over it, as client or as server.
 *
 * Both are read and written by calls on the descriptor, watched by one event. Through a bufferevent an answer costs several calls more, for
 * how many bytes wait, and for the wish to write and its end; and a connection of TLS over a kilobyte more while it is idle. What is to be
 * sent is gathered in chunks that all connections share, and handed over in one call; an idle connection has none.
 *
 * A stream socket is part of a connection, in one place. Nothing calls back before a function of it returns.
 */
#ifndef PROXY_EDGE_STREAM_SOCKET_H
#define PROXY_EDGE_STREAM_SOCKET_H

#include <event2/event_struct.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream_chunk;
struct stream_socket;

enum {
	STREAM_SOCKET_ENDED = 0,   /* the other end sends nothing more */
	STREAM_SOCKET_LATER = -1,  /* nothing is there now */
	STREAM_SOCKET_FAILED = -2, /* the connection is broken */
	STREAM_SOCKET_RECORD = 16384, /* bytes of the longest record of TLS, which holds so many at most of what it has read */
};

/* Connections of one kind: whose events they are, and who is told of them. */
struct stream_sockets {
	struct event_base *base;
	size_t held; /* bytes that all of them hold */
	/* Bytes, the end or a failure: stream_socket_read() tells. Some of what was held may have left, too. */
	void (*readable)(struct stream_socket *s);
	void (*writable)(struct stream_socket *s); /* some of what was held may have left, or sending failed */
	void (*ready)(struct stream_socket *s);    /* it is connected, or its handshake is over */
};

struct stream_socket {
	struct stream_sockets *of;
	SSL *ssl;                         /* NULL: plain */
	struct stream_chunk *first, *last; /* what the kernel has not taken */
	struct event event;
	uint32_t error;                   /* of OpenSSL's, why TLS failed; 0: for another reason */
	uint32_t held;                    /* bytes in the chunks */
	uint32_t taken;                   /* bytes that the kernel took, modulo 2^32 */
	int fd;
	short watched;                    /* what `event` waits for: EV_READ, EV_WRITE */
	bool connecting, securing;        /* something is under way of which `ready` will tell */
	bool wants_bytes, blocked, ended, failed; /* blocked: the kernel takes no more for now */
};

/* Begins on a socket that does not block (takes it, also where it fails), and reads; `connecting`: connect() is under way. Returns 0, or -1
 * without memory. */
int stream_socket_open(struct stream_socket *s, struct stream_sockets *of, int fd, bool connecting) __attribute__((warn_unused_result));
/* From now on it is TLS, whose handshake begins (takes ssl, also where it fails), as the server or client that it is of. Returns 0, or -1 without
 * memory. The handshake may be over when it returns (`securing` is false), and then `ready` does not tell of it. */
int stream_socket_secure(struct stream_socket *s, SSL *ssl) __attribute__((warn_unused_result));
/* Goes on with a connection whose handshake is over already (takes ssl). */
void stream_socket_adopt(struct stream_socket *s, SSL *ssl);

/* Closes it; `reset`: so that the other end sees it was cut off. What is held is lost. */
void stream_socket_close(struct stream_socket *s, bool reset);
/* Its socket is somebody else's from now on, and its TLS, of which *ssl is told (NULL: plain); nothing is held. What is left is to be closed,
 * of which the other end sees nothing. Returns the socket. */
int stream_socket_release(struct stream_socket *s, SSL **ssl);
/* Nothing more is sent: the other end sees the end, and may still send. */
void stream_socket_finish(struct stream_socket *s);

/* Whether the other end's bytes are waited for. */
void stream_socket_want(struct stream_socket *s, bool bytes);
/* Reads what is there, up to `room` bytes: returns how many, or one of STREAM_SOCKET_... */
ssize_t stream_socket_read(struct stream_socket *s, uint8_t *bytes, size_t room);
/* Bytes are there to be read, of which `readable` does not tell again. */
bool stream_socket_has_bytes(const struct stream_socket *s);

/* Holds bytes to be sent (copies them). Without memory the connection has failed. */
void stream_socket_write(struct stream_socket *s, const void *bytes, size_t len);
/* Hands over what is held, as far as it is taken; `writable` tells of the rest. Keeps it while a handshake is under way. */
void stream_socket_flush(struct stream_socket *s);

/* At the end of a turn: gives back memory that no connection of any kind has used for some time; or all that none uses. */
void stream_sockets_trim(bool all);

#endif

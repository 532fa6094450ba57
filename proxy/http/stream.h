/*
 * stream - the bytes of one accepted connection, both ways: of its socket, or of TLS over it.
 *
 * Both are read and written by calls on the descriptor, watched by one event. Through a bufferevent an answer costs several calls more, for
 * how many bytes wait, and for the wish to write and its end; and a connection of TLS over a kilobyte more while it is idle.
 *
 * A stream is part of a connection, in one place. Nothing calls back before a function of it returns.
 */
#ifndef PROXY_HTTP_STREAM_H
#define PROXY_HTTP_STREAM_H

#include <event2/event_struct.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/http/backlog.h"

struct stream;

enum {
	STREAM_ENDED = 0,   /* the other end sends nothing more */
	STREAM_LATER = -1,  /* nothing is there now */
	STREAM_FAILED = -2, /* the connection is broken */
	STREAM_SECURE_HELD = 16384, /* bytes that TLS holds at most of what it has read: one record */
};

struct stream_calls {
	void (*readable)(struct stream *s); /* bytes, the end or a failure: stream_read() tells. Some of what was held may have gone out, too */
	void (*writable)(struct stream *s); /* some of what was held may have gone out */
	void (*secured)(struct stream *s);  /* the handshake is over */
};

struct stream {
	const struct stream_calls *calls;
	struct event_base *base;
	SSL *ssl;                   /* NULL: plain */
	struct backlog out;         /* what the kernel has not taken */
	struct event event;         /* of the socket */
	unsigned long error;        /* of OpenSSL's, why TLS failed; 0: for another reason */
	int fd;
	short watched;              /* what `event` waits for: EV_READ, EV_WRITE */
	bool wants_bytes, blocked, ended, failed; /* blocked: the kernel takes no more for now */
	bool securing;              /* the handshake of TLS is under way */
	bool dropped;               /* bytes to be sent were lost for want of memory: it must not go on */
};

/* Begins on a connected socket that does not block (takes it, also where it fails), and reads. Returns 0, or -1 without memory. */
int stream_open(struct stream *s, struct event_base *base, int fd, const struct stream_calls *calls);
/* From now on it is TLS, as the server (takes ssl, also where it fails). Returns 0, or -1 without memory. */
int stream_secure(struct stream *s, SSL *ssl);
/* NULL: plain. */
const SSL *stream_tls(const struct stream *s);

/* Closes it; `reset`: so that the other end sees it was cut off. What is held is lost. */
void stream_close(struct stream *s, bool reset);
/* Its socket is somebody else's from now on, and its TLS, of which *ssl is told (NULL: plain); nothing is held. What is left is to be closed,
 * of which the other end sees nothing. Returns the socket. */
int stream_release(struct stream *s, SSL **ssl);
/* Nothing more is sent: the other end sees the end, and may still send. */
void stream_finish(struct stream *s);

/* Whether the other end's bytes are waited for. */
void stream_want(struct stream *s, bool bytes);
/* Reads what is there, up to `room` bytes: returns how many, or one of STREAM_... */
ssize_t stream_read(struct stream *s, uint8_t *bytes, size_t room);
/* Bytes are there to be read, of which `readable` does not tell again. */
bool stream_has_bytes(const struct stream *s);

/* Holds bytes to be sent (copies them). */
void stream_write(struct stream *s, const void *bytes, size_t len);
/* Hands over what is held, as far as it is taken; `writable` tells of the rest. */
void stream_flush(struct stream *s);
/* Bytes held that the kernel has not taken. */
size_t stream_held(const struct stream *s);

#endif

/*
 * stream - messages as frames of a byte stream (RFC 8323 3.2, RFC 8974 2.1) or as the messages of a carrier that keeps them apart (RFC 8323
 * 4.2), and the datagram form that they have inside.
 *
 * A frame is a byte of length and token length, 0 to 4 more bytes of length, the code, and then the very bytes that stand behind the
 * Message ID of a datagram. So to go from one form to the other is to write a header in front of bytes that stay where they are.
 * Frames have neither type nor Message ID: the datagram form of one is NON with Message ID 0.
 */
#ifndef COAP_STREAM_H
#define COAP_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "coap/message.h"

enum {
	STREAM_HEADER_MAX = 6, /* bytes up to and with the code */
	STREAM_HEADROOM = 2,   /* bytes that a datagram header can be longer than the shortest frame header */
};

enum stream_form {
	STREAM_FRAMED, /* frames follow one another and each says how long it is */
	STREAM_WHOLE,  /* the carrier delivers one message at a time; the length field says nothing and is 0 */
};

struct stream_frame {
	size_t size;        /* bytes of the whole frame; with STREAM_MORE as many as are needed before a next look pays */
	size_t header;      /* bytes in front of the extended token length or the token, the code is the last of them */
	uint32_t token_len; /* bytes of the token itself, not yet known (0) with STREAM_MORE; judged by the caller (RFC 8974 2.2.1) */
	uint8_t code;       /* CODE_EMPTY is to be ignored, whatever else the frame holds (RFC 8323 3.4) */
};

enum stream_result {
	STREAM_FRAME,     /* the whole frame is there */
	STREAM_MORE,      /* so far nothing is wrong, but bytes are missing: *f has only `size` */
	STREAM_TOO_LARGE, /* longer than the maximum, seen as soon as the length is; *f has nothing */
	STREAM_MALFORMED, /* token length 15; with STREAM_WHOLE also a length field that is not 0, a token that is cut off; *f has nothing */
};

/* Looks at the first bytes of a frame (borrows them; at STREAM_WHOLE they are the whole message, which never needs more). max: the
 * largest frame that is taken, header included, as Max-Message-Size counts (RFC 8323 5.3.1). A frame that is not there yet is looked
 * at again from its first byte. Bytes behind the frame are not looked at. */
enum stream_result stream_frame_read(struct stream_frame *f, enum stream_form form, const uint8_t *bytes, size_t len, size_t max)
	__attribute__((warn_unused_result));

/* Turns the frame that stream_frame_read() found at bytes into datagram form where it lies: writes a datagram header that ends where
 * the frame's ended. The STREAM_HEADROOM bytes in front of the frame must be the caller's to write; they and the frame's header are
 * lost. Returns the start of the datagram, whose length is put in *len; it ends where the frame ends. */
uint8_t *stream_frame_to_datagram(uint8_t *bytes, const struct stream_frame *f, size_t *len);

/* Writes the header of the frame for a message in datagram form. The frame is this header and then datagram[MSG_HEADER ..
 * len). Returns the bytes of the header, or 0 if the message has no sound header and token, or is longer than a frame can say. */
size_t stream_frame_write_header(uint8_t header[STREAM_HEADER_MAX], enum stream_form form, const uint8_t *datagram, size_t len)
	__attribute__((warn_unused_result));

#endif

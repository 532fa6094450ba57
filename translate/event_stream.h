/*
 * event_stream - a representation as an event of a text/event-stream (WHATWG HTML 9.2): one JSON object in its data field.
 *
 *   id: "a1b2"
 *   data: {"code":"2.05","content-format":50,"media-type":"application/json","etag":"a1b2","max-age":60,"text":"{\"t\":21}"}
 *
 * Content that is text by its media type and is UTF-8 stands in "text", unless its escapes make it too long; any other in "base64". The id is
 * the ETag in hexadecimal, or a hash of the content where there is none. Pure.
 */
#ifndef TRANSLATE_EVENT_STREAM_H
#define TRANSLATE_EVENT_STREAM_H

#include <stdbool.h>

#include "base/bytes.h"
#include "coap/message.h"

enum {
	EVENT_ID_MAX = 24,      /* of an id, with its NUL */
	EVENT_PROLOGUE_MAX = 512, /* bytes of an event before its content */
	EVENT_EXPANSION = 6,    /* bytes that a byte of text may become */
};

/* The id of a representation. `content` may be a part of it only where it has an ETag. */
void event_id(const struct msg_view *m, const uint8_t *content, size_t len, char id[EVENT_ID_MAX]);

/* Whether content of the format of m goes as text, if it is UTF-8. */
bool event_is_text(const struct msg_view *m);
bool event_is_utf8(const uint8_t *bytes, size_t len);

/* Writes name (NULL: the default, "message"), id ("": none) and data up to the opening quote of the content. */
void event_write_begin(struct writer *w, const char *name, const char *id, const struct msg_view *m, bool as_text);
/* Content as text, escaped for JSON, and how long that is. */
size_t event_text_length(const uint8_t *bytes, size_t len);
void event_write_text(struct writer *w, const uint8_t *bytes, size_t len);
/* Content in base64: `len` a multiple of 3, or the last piece. */
void event_write_base64(struct writer *w, const uint8_t *bytes, size_t len);
void event_write_end(struct writer *w);

#endif

/*
 * map_media - HTTP media types and content codings to CoAP Content-Formats and back, and which of them a client accepts (RFC 8075 6,
 * RFC 9110 12.5).
 *
 * Pure: no I/O, no allocation. Two media types are never told to CoAP: application/oscore, because Content-Format 10001 is not for it
 * (RFC 8613 13.6), and application/coap-payload, which stands for a Content-Format by its number towards HTTP alone (RFC 8075 6.2).
 */
#ifndef TRANSLATE_MAP_MEDIA_H
#define TRANSLATE_MAP_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/http_message.h"

enum { MEDIA_TEXT_MAX = 128, MEDIA_ACCEPT_MAX = 16 };

/* Why there is no Content-Format, and what the client is told: 415, 400, another 4xx. */
enum media_result { MEDIA_UNMAPPED = -1, MEDIA_MALFORMED = -2, MEDIA_REFUSED = -3 };

/* What the route says. */
struct media_policy {
	bool loose;        /* an unregistered type is generalised (RFC 8075 6.3) */
	bool coap_payload; /* application/coap-payload passes in requests */
};

/* Content-Type and Content-Encoding (empty or "identity": none) to a Content-Format >= 0 or an enum media_result. MEDIA_MALFORMED is for
 * application/coap-payload without a sound cf, MEDIA_REFUSED for it where the route does not let it pass, for cf=10001 and for
 * application/oscore always; anything else that has no Content-Format, or is no media type, is MEDIA_UNMAPPED. Each is one field line:
 * that there was another is the caller's to refuse. */
int media_to_format(struct http_text type, struct http_text coding, const struct media_policy *policy);

/* Content-Format to media type and content coding (NULL: none). One that is not registered, and 10001, which no device may use, give
 * application/coap-payload;cf=N. */
void media_of_format(uint32_t format, char type[MEDIA_TEXT_MAX], const char **coding);

/* Accept and Accept-Encoding to Content-Formats by falling preference: weight, then how specific the range is, then the weight of the
 * coding and plain before coded, then order. Returns how many (at most MEDIA_ACCEPT_MAX). 0: no Accept option is to be sent, because
 * everything is as welcome or nothing could be mapped. What is less wanted than anything else is not listed, nor what was given a
 * weight of 0. *refused: the client asks for application/coap-payload where it does not pass, or with an unsound cf, or with 10001; then
 * 0. Ranges are never made loose: what comes back is labelled as what it is. */
size_t media_accept(const struct http_head *head, const struct media_policy *policy, uint16_t formats[MEDIA_ACCEPT_MAX], bool *refused);

/* True if the Content-Format of an answer satisfies Accept and Accept-Encoding (wildcards, weights of 0); without these, always. */
bool media_is_acceptable(const struct http_head *head, uint32_t format);

#endif

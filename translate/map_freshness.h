/*
 * map_freshness - how long a response of HTTP may be used, as CoAP tells it (RFC 9111 4.2, RFC 7252 5.10.5, 10.1.1).
 *
 * Pure: no clock is read. What needs the time of day (Expires, Retry-After) is taken relative to the response's own Date.
 */
#ifndef TRANSLATE_MAP_FRESHNESS_H
#define TRANSLATE_MAP_FRESHNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/http_message.h"

/* A date in the one form that is still made, IMF-fixdate ("Sun, 06 Nov 1994 08:49:37 GMT"), as seconds since 1970. The day of the week is
 * not looked at. Returns false for the obsolete forms and for dates that are none. */
bool http_date_parse(struct http_text text, int64_t *seconds);

/* Seconds for which the response is still fresh after it has been here for `resident` seconds: s-maxage, else max-age, else Expires less
 * Date; less Age. 0 for no-store, no-cache, private, Vary: *, for what cannot be read, and where nothing is said: CoAP would take an absent
 * option for 60 seconds, and nobody has promised those. */
uint32_t freshness_left(const struct http_head *head, uint32_t resident);

/* Retry-After in seconds. Returns false if there is none or it cannot be read. */
bool freshness_retry_after(const struct http_head *head, uint32_t *seconds);

/* A number of seconds (RFC 9111 1.2.2): digits only; what is too large is the largest. Returns false if it is none. */
bool http_seconds_parse(struct http_text text, uint32_t *seconds);

#endif

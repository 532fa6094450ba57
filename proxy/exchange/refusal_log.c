#include "proxy/exchange/refusal_log.h"

#include <inttypes.h>
#include <stdio.h>

#define REFUSAL_INTERVAL (10 * CLOCK_SECOND)

static const char *listener_name(const struct exchange *x)
{
	return x->client->listener < x->conf->listener_count ? x->conf->listeners[x->client->listener].name : "?";
}

void refusal_log(struct proxy *p, const struct exchange *x, enum error e, uint16_t offender)
{
	struct refusal *last = &p->refusals[e];
	const struct error_row *row = error_row(e);
	char client[ENDPOINT_TEXT_MAX], origin[ENDPOINT_TEXT_MAX] = "-", code[MSG_CODE_TEXT_MAX], option[24] = "", more[48] = "";

	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	if (last->told_at != 0 && clock_now() - last->told_at < REFUSAL_INTERVAL) {
		last->left_out++;
		return;
	}
	if (x->origin != NULL)
		endpoint_format(&x->origin->peer, origin);
	if (offender != 0)
		snprintf(option, sizeof option, " option=%u", offender);
	if (last->left_out > 0)
		snprintf(more, sizeof more, " (and %" PRIu64 " more like it)", last->left_out);
	log_info("%s: %s from %s at %s, route %s, origin %s%s%s: %s", row->counter, msg_code_text(x->code, code),
		endpoint_format(&x->client->peer, client), listener_name(x), x->route != NULL ? x->route->name : "-", origin,
		x->oscore ? " oscore" : "", option, row->text[0] != '\0' ? row->text : row->counter);
	if (more[0] != '\0')
		log_info("%s:%s", row->counter, more);
	last->told_at = clock_now();
	last->left_out = 0;
}

void access_log(const struct exchange *x, uint8_t code)
{
	char client[ENDPOINT_TEXT_MAX], origin[ENDPOINT_TEXT_MAX] = "-", method[MSG_CODE_TEXT_MAX], answer[MSG_CODE_TEXT_MAX];

	if (x->route == NULL || !x->route->access_log)
		return;
	if (x->origin != NULL)
		endpoint_format(&x->origin->peer, origin);
	log_info("request: %s from %s at %s, route %s, origin %s%s: %s after %" PRIu64 " ms", msg_code_text(x->code, method),
		endpoint_format(&x->client->peer, client), listener_name(x), x->route->name, origin, x->oscore ? " oscore" : "",
		msg_code_text(code, answer), (uint64_t)((clock_now() - x->arrived_at) / (CLOCK_SECOND / 1000)));
}

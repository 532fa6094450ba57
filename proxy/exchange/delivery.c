#include "proxy/exchange/delivery.h"

#include "base/random.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/reachability.h"

/* The ACK of a client who is not there never comes; what it costs the address it claimed is bounded. */
static void transmit(struct delivery *d)
{
	if (!reachability_is_verified(d->client)) {
		if (d->allowance < d->bytes.len)
			return;
		d->allowance -= d->bytes.len;
	}
	client_send(d->client->listener, &d->client->peer, &d->local, d->bytes.bytes, d->bytes.len);
}

static void start(struct proxy *p, struct delivery *d)
{
	const struct settings *s = &p->conf->settings;
	uint64_t spread = s->ack_timeout * (s->ack_random_factor_percent - 100) / 100;

	d->sent_at = clock_now();
	d->timeout = (uint32_t)(s->ack_timeout + (spread > 0 ? random_below((uint32_t)spread + 1) : 0));
	transmit(d);
	wheel_set(p->wheel, &d->timer, d->sent_at + d->timeout);
}

static void release(struct proxy *p, struct delivery *d)
{
	wheel_cancel(&d->timer);
	buffers_drop(p->buffers, &d->bytes);
	if (d->observation != NULL)
		d->observation->delivery = NULL;
	slab_free(p->deliveries, d->index);
}

/* Takes the delivery out of its client's queue and lets the next one go. */
static void finish(struct proxy *p, struct delivery *d)
{
	struct client *c = d->client;
	struct delivery **at = &c->first, *before = NULL;
	bool was_first = c->first == d;

	while (*at != d) {
		before = *at;
		at = &before->next;
	}
	*at = d->next;
	if (c->last == d)
		c->last = before;
	release(p, d);
	if (was_first && c->first != NULL)
		start(p, c->first);
}

/* Also where a client fell silent: what waits for it would wait in vain, message by message. */
void delivery_drop_all(struct proxy *p, struct client *c)
{
	while (c->first != NULL) {
		struct delivery *d = c->first;
		struct observation *o = d->observation;

		c->first = d->next;
		if (c->first == NULL)
			c->last = NULL;
		release(p, d);
		proxy_count(p, COUNT_DELIVERIES_FAILED);
		if (o != NULL)
			observe_client_gone(p, o);
	}
}

/* Not beyond MAX_TRANSMIT_SPAN, however late the timer runs (RFC 7252 4.2). */
static bool may_repeat(const struct proxy *p, const struct delivery *d)
{
	const struct settings *s = &p->conf->settings;
	uint64_t span = s->ack_timeout * ((1u << s->max_retransmit) - 1) * s->ack_random_factor_percent / 100;

	return d->retransmissions < s->max_retransmit && clock_now() - d->sent_at <= span;
}

static void on_timer(struct wheel_timer *t)
{
	struct delivery *d = wheel_owner(t, struct delivery, timer);
	struct proxy *p = d->proxy;

	if (!may_repeat(p, d)) {
		delivery_drop_all(p, d->client);
		return;
	}
	if (d->observation != NULL)
		observe_supersede(p, d->observation);
	d->retransmissions++;
	d->timeout *= 2;
	proxy_count(p, COUNT_RETRANSMISSIONS_DOWN);
	transmit(d);
	wheel_set(p->wheel, &d->timer, clock_now() + d->timeout);
}

void delivery_replace(struct proxy *p, struct delivery *d, const uint8_t *bytes, size_t len)
{
	int32_t mid = client_take_mid(p, d->client);
	struct buffer replacement = { 0 };

	if (mid < 0 || buffers_keep(p->buffers, &replacement, bytes, len) < 0)
		return;
	buffers_drop(p->buffers, &d->bytes);
	d->bytes = replacement;
	d->mid = (uint16_t)mid;
	msg_set_mid(d->bytes.bytes, d->mid);
}

struct delivery *delivery_send(struct proxy *p, struct client *c, const struct local_address *local, struct observation *o,
	const uint8_t *bytes, size_t len, size_t allowance)
{
	uint32_t index;
	int32_t mid = client_take_mid(p, c);
	struct delivery *d = mid < 0 ? NULL : slab_new(p->deliveries, &index);

	if (d == NULL)
		return NULL;
	d->index = index;
	if (buffers_keep(p->buffers, &d->bytes, bytes, len) < 0) {
		slab_free(p->deliveries, index);
		return NULL;
	}
	d->proxy = p;
	d->timer.run = on_timer;
	d->client = c;
	d->observation = o;
	d->local = *local;
	d->allowance = allowance;
	d->mid = (uint16_t)mid;
	msg_set_type(d->bytes.bytes, MSG_CON);
	msg_set_mid(d->bytes.bytes, d->mid);
	if (c->last != NULL)
		c->last->next = d;
	else
		c->first = d;
	c->last = d;
	if (c->first == d)
		start(p, d);
	return d;
}

bool delivery_on_answer(struct proxy *p, struct client *c, uint16_t mid, bool reset)
{
	struct delivery *d = c->first;
	struct observation *o;

	if (d == NULL || d->mid != mid)
		return false;
	o = d->observation;
	/* The Message ID is one of ours that only this address was told: the client is there. A Reset shows no more than that
	 * somebody is, who may well have asked for nothing. */
	if (!reset)
		reachability_set_verified(p, c);
	finish(p, d);
	if (o == NULL)
		return true;
	if (reset)
		observe_client_gone(p, o);
	else
		observe_delivered(p, o);
	return true;
}

void delivery_detach(struct proxy *p, struct delivery *d)
{
	d->observation->delivery = NULL;
	d->observation = NULL;
	if (d != d->client->first)
		finish(p, d);
}

/* How long each state of a link may last, and what becomes of it then. */
#include "base/clock.h"
#include "proxy/edge/stream_parts.h"
#include "proxy/exchange/return_path.h"

static const uint64_t release_time = 30 * CLOCK_SECOND; /* for what is under way, once it was released */
static const uint64_t look_again = CLOCK_SECOND;        /* at what is under way, where nothing tells that it ended */

static const struct settings *settings(void)
{
	return &stream_link_proxy()->conf->settings;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return b != 0 && b < a ? b : a;
}

static uint64_t keepalive_of(const struct stream_link *l)
{
	const struct listener *conf = l->to_origin ? NULL : snapshot_listener(stream_link_proxy()->conf, l->number);

	return conf != NULL ? conf->keepalive : 0;
}

static uint64_t idle_due(const struct stream_link *l)
{
	return l->messaged_at + (l->to_origin ? return_path_origin_idle(stream_link_proxy(), l->number) : settings()->transports_idle_timeout);
}

/* Of who is not read nobody knows whether he says something. */
static uint64_t ping_due(const struct stream_link *l)
{
	uint64_t keepalive = keepalive_of(l);

	return keepalive == 0 || l->throttled ? 0 : (l->pinged_at != 0 ? l->pinged_at : l->heard_at) + keepalive;
}

/* When the present state ends by itself. */
static uint64_t state_due(const struct stream_link *l)
{
	switch ((enum stream_link_state)l->state) {
	case LINK_CONNECTING:
	case LINK_SECURING:
	case LINK_UPGRADING:
		return l->began_at + (l->to_origin ? settings()->transports_connect_timeout : settings()->transports_csm_timeout);
	case LINK_STARTING:
		return l->began_at + settings()->transports_csm_timeout;
	case LINK_OPEN:
		return idle_due(l);
	case LINK_RELEASED:
		return l->began_at + release_time;
	default:
		return l->began_at + STREAM_LINGER_TIME;
	}
}

static uint64_t next_due(const struct stream_link *l)
{
	uint64_t due = earlier(state_due(l), l->write_due);

	if (l->state == LINK_OPEN)
		due = earlier(due, ping_due(l));
	due = earlier(due, l->custody_due);
	return l->throttled || l->state == LINK_RELEASED ? earlier(due, clock_now() + look_again) : due;
}

/* The timer is set for what may be due first, and looks again when it runs: it is seldom moved. */
void stream_link_arm(struct stream_link *l)
{
	uint64_t due = next_due(l);

	if (!wheel_timer_is_set(&l->timer) || l->timer.due > due)
		wheel_set(stream_link_proxy()->wheel, &l->timer, due);
}

/* Nothing was said for long. */
static void be_idle(struct stream_link *l)
{
	bool observed;

	if (stream_link_under_way(l, &observed) > 0 || observed || l->socket.held > 0)
		l->messaged_at = clock_now(); /* and so are they, when what is under way has ended */
	else
		stream_link_release(l);
}

static void be_silent(struct stream_link *l)
{
	if (l->pinged_at != 0) {
		proxy_count(stream_link_proxy(), COUNT_CONNECTION_TIMEOUTS);
		l->reset = true;
		stream_link_end(l, ERR_UNREACHABLE);
		return;
	}
	l->pinged_at = clock_now();
	stream_signals_ping(l);
}

static void be_late(struct stream_link *l)
{
	if (l->state < LINK_OPEN) {
		proxy_count(stream_link_proxy(), COUNT_CONNECTION_TIMEOUTS);
		stream_link_abort(l, 0, "No CSM has come in time");
		l->failure = ERR_ORIGIN_TIMEOUT;
	} else if (l->state == LINK_OPEN) {
		be_idle(l);
	} else {
		stream_link_end(l, ERR_UNREACHABLE);
	}
}

void stream_time_is_due(struct wheel_timer *t)
{
	struct stream_link *l = wheel_owner(t, struct stream_link, timer);
	uint64_t now = clock_now();

	if (l->state >= LINK_LAST && state_due(l) <= now) {
		stream_link_free(l);
		return;
	}
	if (l->write_due != 0 && l->write_due <= now) {
		proxy_count(stream_link_proxy(), COUNT_CONNECTION_TIMEOUTS);
		l->reset = true;
		stream_link_end(l, ERR_UNREACHABLE);
	} else if (state_due(l) <= now) {
		be_late(l);
	} else if (l->state == LINK_OPEN && ping_due(l) != 0 && ping_due(l) <= now) {
		be_silent(l);
	}
	if (l->custody_due != 0 && l->custody_due <= now)
		stream_signals_end_custody(l, false);
	stream_link_note_due(l);
	if (l->failure == ERR_NONE)
		stream_link_arm(l); /* else it ends in its turn */
}

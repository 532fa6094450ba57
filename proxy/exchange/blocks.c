#include "proxy/exchange/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/blocks_answer.h"
#include "proxy/exchange/blocks_learned.h"
#include "proxy/exchange/blocks_request.h"

enum {
	TRANSFERS_MAX = 1 << 20, /* of one worker; who owns them has a nearer limit */
	HEAD_ONLY_SZX = 2,       /* 64 bytes: of a body that nobody wants */
};

#define PAUSE (CLOCK_SECOND / 2)
/* Message IDs that were all used at once come back when EXCHANGE_LIFETIME is over, and not all at the same time. */
#define PATIENCE (EXCHANGE_LIFETIME + 15 * CLOCK_SECOND)

/* A state and its index, or NULL without memory. */
static struct blocks_state *new_state(struct proxy *p, uint32_t *index)
{
	if (p->transfers == NULL)
		p->transfers = slab_create(sizeof(struct blocks_state), TRANSFERS_MAX);
	if (p->learned == NULL)
		p->learned = calloc(1, sizeof *p->learned);
	return p->transfers != NULL && p->learned != NULL ? slab_new(p->transfers, index) : NULL;
}

/* ---- going on ---- */

static void free_state(struct blocks_state *s)
{
	struct proxy *p = s->proxy;

	buffers_drop(p->buffers, &s->head);
	buffers_drop(p->buffers, &s->answer.held);
	buffers_drop(p->buffers, &s->pending);
	snapshot_release(s->from.conf);
	if (s->index != SLAB_NONE)
		slab_free(p->transfers, s->index);
}

/* One step that needs nobody to wait for. Returns false if there is none. */
static bool step(struct blocks_state *s)
{
	if (blocks_take_pending(s))
		return true;
	if (s->transfer == NULL || s->asking || s->pausing)
		return false;
	if (s->phase == BLOCKS_SENDING)
		return blocks_send(s);
	return s->phase == BLOCKS_FETCHING && blocks_fetch(s);
}

/* What happens to a transfer happens between begin_running() and end_running(). Its owner and the exchange layer may call in again from
 * within; the outermost goes on when they have returned, and frees what is over. */
static bool begin_running(struct blocks_state *s)
{
	bool outermost = !s->running;

	s->running = true;
	return outermost;
}

static void end_running(struct blocks_state *s, bool outermost)
{
	if (!outermost)
		return;
	while (s->transfer != NULL && step(s))
		;
	s->running = false;
	if (s->transfer == NULL)
		free_state(s);
}

static void on_timer(struct wheel_timer *t)
{
	struct blocks_state *s = wheel_owner(t, struct blocks_state, timer);
	bool outermost = begin_running(s);

	s->pausing = false;
	end_running(s, outermost);
}

/* The gateway refused for reasons that pass, and nothing has left it. */
static bool is_passing(enum error e)
{
	return e == ERR_MESSAGE_IDS || e == ERR_ORIGIN_LIMIT || e == ERR_CLIENT_LIMIT || e == ERR_OVERLOAD || e == ERR_LOST_UNSENT;
}

/* A transfer of thousands of blocks does not break off for one that cannot leave now: it is asked for again a little later. Its first request
 * is refused like any other. */
static bool pauses(struct blocks_state *s, enum error e)
{
	uint64_t now = clock_now();

	if (!is_passing(e) || (s->phase == BLOCKS_SENDING && s->sending.offset == 0)) {
		s->refused_at = 0;
		return false;
	}
	if (s->refused_at == 0)
		s->refused_at = now;
	if (now - s->refused_at > PATIENCE)
		return false;
	s->pausing = true;
	wheel_set(s->proxy->wheel, &s->timer, now + PAUSE);
	return true;
}

static void answered(struct blocks_state *s, const struct msg_view *m, enum error e)
{
	bool outermost = begin_running(s);

	s->asking = false;
	if (!pauses(s, e)) {
		if (s->phase == BLOCKS_SENDING)
			blocks_request_answered(s, m, e);
		else
			blocks_answer_more(s, m, e);
	}
	end_running(s, outermost);
}

/* Of reliable hops there is something to know, and to remember for the next transfer. Of one route's origins one may be so and another not: what
 * was asked as one of them takes it, another refuses. */
static void note_hop(struct blocks_state *s, const struct requester *r, enum error e)
{
	if (!r->hop.reliable && (r->hop.known || e == ERR_TOO_LARGE))
		s->hop = (struct hop){ 0 };
	if (!r->hop.reliable)
		return;
	s->hop = r->hop;
	if (s->hop.known && s->device != 0)
		blocks_learn_hop(s->proxy->learned, s->device, &s->hop, clock_now());
}

static void on_answered(struct requester *r, const struct msg_view *m, enum error e)
{
	struct blocks_state *s = wheel_owner(r, struct transfer, requester)->state;

	note_hop(s, r, e);
	answered(s, m, e);
}

static void on_rest_answered(struct requester *r, const struct msg_view *m, enum error e)
{
	struct blocks_state *s = wheel_owner(r, struct blocks_state, rest);

	note_hop(s, r, e);
	answered(s, m, e);
}

static void on_notified(struct requester *r, const struct msg_view *m, enum error e, uint64_t age)
{
	struct blocks_state *s = wheel_owner(r, struct transfer, requester)->state;
	bool outermost = begin_running(s);

	(void)age;
	note_hop(s, r, ERR_NONE);
	blocks_notified(s, m, e, outermost);
	end_running(s, outermost);
}

/* What goes on under another configuration goes on by that. */
static const struct route *decide(struct blocks_state *s, struct snapshot *conf)
{
	struct transfer *t = s->transfer;
	const struct route *route = t->calls->decide != NULL ? t->calls->decide(t, conf) : NULL;

	if (route != NULL && conf != s->from.conf) {
		snapshot_release(s->from.conf);
		s->from.conf = snapshot_keep(conf);
		s->from.route = route;
	}
	return route;
}

static const struct route *on_decide(struct requester *r, struct snapshot *conf)
{
	return decide(wheel_owner(r, struct transfer, requester)->state, conf);
}

static const struct route *on_rest_decide(struct requester *r, struct snapshot *conf)
{
	return decide(wheel_owner(r, struct blocks_state, rest), conf);
}

void blocks_ask(struct blocks_state *s, const uint8_t *bytes, size_t len)
{
	struct requester *r = blocks_observes(s) ? &s->rest : &s->transfer->requester;

	s->asking = true;
	requester_ask(s->proxy, r, &s->from, bytes, len);
	s->from.begun = true;
}

void blocks_stop_asking(struct blocks_state *s)
{
	requester_leave(&s->rest);
	wheel_cancel(&s->timer);
	s->asking = s->pausing = false;
}

/* Nothing is told any more. The state goes when nobody uses it. */
static void detach(struct blocks_state *s)
{
	struct transfer *t = s->transfer;

	s->transfer = NULL;
	t->state = NULL;
	blocks_stop_asking(s);
	requester_leave(&t->requester);
}

void blocks_end(struct blocks_state *s, enum error e)
{
	struct transfer *t = s->transfer;

	detach(s);
	t->calls->end(t, e, false);
}

int blocks_read_option(const struct blocks_state *s, const struct msg_view *m, uint16_t number, struct opt_block *b)
{
	const struct msg_option *o = msg_option(m, number);

	if (o == NULL)
		return 0;
	return opt_block_parse(b, o) < 0 || (b->szx > BLOCK_SZX_MAX && !s->hop.reliable) ? -1 : 1;
}

bool blocks_take_challenge(struct blocks_state *s, const struct msg_view *m)
{
	const struct msg_option *echo = msg_option(m, OPT_ECHO);
	bool safe = s->code == CODE_GET || s->code == CODE_FETCH;

	if (m->code != CODE_UNAUTHORIZED || s->oscore || echo == NULL || echo->len == 0 || echo->len > BLOCKS_ECHO_MAX ||
		s->echoes == BLOCKS_RESTARTS || (!safe && !s->repeats_unsafe))
		return false;
	s->echoes++;
	s->echo_len = (uint8_t)echo->len;
	memcpy(s->echo, echo->value, echo->len);
	return true;
}

void blocks_note_plain(struct blocks_state *s)
{
	blocks_learn(s->proxy->learned, s->device, clock_now());
}

/* ---- what the owner calls ---- */

static uint8_t szx_of(unsigned size)
{
	uint8_t szx = 0;

	while (szx < BLOCK_SZX_MAX && block_bytes(szx) < size)
		szx++;
	return szx;
}

static void set_up(struct blocks_state *s, struct proxy *p, struct transfer *t, const struct transfer_plan *plan)
{
	s->proxy = p;
	s->transfer = t;
	s->timer.run = on_timer;
	s->rest.answered = on_rest_answered;
	s->rest.decide = on_rest_decide;
	s->from = plan->from;
	s->from.conf = snapshot_keep(plan->from.conf);
	s->hop = plan->hop;
	s->sending.size = plan->body_size;
	s->sending.threshold = plan->threshold;
	s->sending.has_body = plan->has_body && t->calls->body != NULL;
	s->answer.limit = plan->answer_limit;
	s->head_only = plan->head_only;
	s->repeats_unsafe = !plan->may_be_old;
	s->block_szx = szx_of(plan->block_size);
	if (plan->head_only && s->block_szx > HEAD_ONLY_SZX)
		s->block_szx = HEAD_ONLY_SZX;
	t->state = s;
	memset(&t->requester, 0, sizeof t->requester);
	t->requester.answered = on_answered;
	t->requester.notified = on_notified;
	t->requester.decide = on_decide;
}

/* What the head says. Returns why it cannot be asked with. */
static enum error read_head(struct blocks_state *s, const struct transfer_plan *plan)
{
	struct msg_view m;

	if (plan->head_len > BLOCKS_HEAD_MAX)
		return ERR_TOO_LARGE;
	if (msg_parse_datagram(&m, plan->head, plan->head_len) != MSG_OK || !msg_code_is_request(m.code))
		return ERR_INTERNAL;
	s->code = m.code;
	s->oscore = msg_option(&m, OPT_OSCORE) != NULL;
	s->registers = msg_option(&m, OPT_OBSERVE) != NULL;
	if (s->sending.has_body || s->block_szx < BLOCK_SZX_MAX) {
		s->device = blocks_device(s->proxy, s->from.route, &m);
		s->sending.no_blocks = blocks_knows(s->proxy->learned, s->device, clock_now());
		if (!s->hop.known)
			s->hop = blocks_hop(s->proxy->learned, s->device, clock_now());
	}
	return buffers_keep(s->proxy->buffers, &s->head, plan->head, plan->head_len) < 0 ? ERR_OVERLOAD : ERR_NONE;
}

/* Begins with a state that is all zero. */
static void begin(struct blocks_state *s, uint32_t index, struct proxy *p, struct transfer *t, const struct transfer_plan *plan)
{
	bool outermost;
	enum error e;

	s->index = index;
	set_up(s, p, t, plan);
	outermost = begin_running(s);
	e = index != SLAB_NONE ? read_head(s, plan) : ERR_OVERLOAD;
	if (e != ERR_NONE)
		blocks_fail(s, e);
	end_running(s, outermost);
}

/* There is no memory for a state: this one lasts long enough to say so. */
static void refuse(struct proxy *p, struct transfer *t, const struct transfer_plan *plan)
{
	struct blocks_state s = { 0 };

	begin(&s, SLAB_NONE, p, t, plan);
}

void transfer_begin(struct proxy *p, struct transfer *t, const struct transfer_calls *calls, const struct transfer_plan *plan)
{
	uint32_t index;
	struct blocks_state *s = new_state(p, &index);

	t->calls = calls;
	if (s != NULL)
		begin(s, index, p, t, plan);
	else
		refuse(p, t, plan);
}

void transfer_continue(struct transfer *t)
{
	if (t->state != NULL)
		end_running(t->state, begin_running(t->state));
}

void transfer_abort_body(struct transfer *t, enum error e)
{
	struct blocks_state *s = t->state;
	bool outermost;

	if (s == NULL)
		return;
	outermost = begin_running(s);
	if (s->answered) {
		requester_note_refusal(s->proxy, &s->from, s->code, s->oscore, e);
		blocks_end(s, e);
	} else {
		blocks_fail(s, e);
	}
	end_running(s, outermost);
}

void transfer_leave(struct transfer *t)
{
	struct blocks_state *s = t->state;
	bool outermost;

	if (s == NULL)
		return;
	outermost = begin_running(s);
	detach(s);
	end_running(s, outermost);
}

bool transfer_is_asking(const struct transfer *t)
{
	return t->state != NULL && (t->state->asking || t->state->pausing);
}

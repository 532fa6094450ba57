#include "oscore/reader/open.h"

#include <string.h>

#include "base/log.h"
#include "oscore/group_open.h"
#include "oscore/inner.h"
#include "oscore/reader/bodies.h"
#include "oscore/reader/vault.h"

enum { ROOM = OPENING_PAYLOAD_MAX + OSCORE_UNSEAL_EXTRA };

struct opener {
	struct table *table;
	struct oscore_unsealer *unsealers[OSCORE_AEADS]; /* by oscore_algorithms[], for senders without one of their own */
	struct oscore_group_opener *groups;
	struct bodies *bodies;
	struct msg_view inner; /* a view into `plain` */
	uint8_t plain[ROOM];
};

/* A question on its way: the message, and who may have sent it. */
struct task {
	const struct opening_question *q;
	struct oscore_option option, request_option; /* the second of a response alone */
	struct table_sender *sender;  /* of the message */
	struct table_sender *asker;   /* who sent the request: of a request the sender itself; NULL if a group's bundle does not have it */
	struct oscore_request request; /* plain: the request, or the one answered */
};

/* ---- what it holds of OpenSSL ---- */

static int unsealers_make(struct opener *o)
{
	for (size_t i = 0; i < OSCORE_AEADS; i++) {
		oscore_unsealer_free(o->unsealers[i]);
		o->unsealers[i] = oscore_unsealer_new(&oscore_algorithms[i]);
		if (o->unsealers[i] == NULL)
			return -1;
	}
	return 0;
}

struct opener *opener_new(void)
{
	struct opener *o = vault_new(sizeof *o);

	if (o == NULL)
		return NULL;
	o->groups = oscore_group_opener_new();
	o->bodies = bodies_new();
	if (o->groups == NULL || o->bodies == NULL || unsealers_make(o) < 0) {
		opener_free(o);
		return NULL;
	}
	return o;
}

void opener_free(struct opener *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < OSCORE_AEADS; i++)
		oscore_unsealer_free(o->unsealers[i]);
	oscore_group_opener_free(o->groups);
	bodies_free(o->bodies);
	vault_free(o);
}

void opener_use(struct opener *o, struct table *t)
{
	o->table = t;
	memset(&o->inner, 0, sizeof o->inner);
	explicit_bzero(o->plain, sizeof o->plain);
	bodies_forget(o->bodies);
	oscore_group_opener_forget(o->groups);
	if (unsealers_make(o) < 0)
		log_error("what OpenSSL needs to open messages could not be made anew");
}

static struct oscore_unsealer *unsealer_of(struct opener *o, struct table_sender *s)
{
	struct oscore_unsealer *own = table_unsealer(o->table, s);

	return own != NULL ? own : o->unsealers[s->context->plain->context.aead - oscore_algorithms];
}

/* ---- one message, one context ---- */

static enum opening_verdict plain_verdict(enum oscore_unseal_result result)
{
	switch (result) {
	case OSCORE_UNSEAL_OK:
		return OPENING_OPENED;
	case OSCORE_UNSEAL_TAG:
		return OPENING_BAD;
	case OSCORE_UNSEAL_INNER:
		return OPENING_INNER;
	case OSCORE_UNSEAL_FORMAT:
	case OSCORE_UNSEAL_SIZE:
		return OPENING_MALFORMED;
	case OSCORE_UNSEAL_FAILED:
		break;
	}
	return OPENING_FAILED;
}

static enum opening_verdict open_plain(struct opener *o, struct task *t)
{
	const struct oscore_context *c = &t->sender->context->plain->context;
	const struct opening_question *q = t->q;
	struct oscore_unsealer *u;

	if (!t->sender->has_key)
		return OPENING_NO_KEY;
	u = unsealer_of(o, t->sender);
	if (u == NULL)
		return OPENING_FAILED;
	if (!q->response)
		return plain_verdict(oscore_unseal_request(u, c, t->sender->side, &t->option, q->payload, q->payload_len, o->plain, sizeof o->plain,
			&o->inner, &t->request));
	t->request.kid = t->asker->side->id;
	t->request.piv_len = t->request_option.piv_len;
	memcpy(t->request.piv, t->request_option.piv, t->request_option.piv_len);
	return plain_verdict(oscore_unseal_response(u, c, t->sender->side, &t->request, &t->option, q->payload, q->payload_len, o->plain,
		sizeof o->plain, &o->inner));
}

static enum opening_verdict group_verdict(enum oscore_group_result result)
{
	switch (result) {
	case OSCORE_GROUP_OPENED:
		return OPENING_OPENED;
	case OSCORE_GROUP_VERIFIED:
		return OPENING_VERIFIED;
	case OSCORE_GROUP_STRANGER:
		return OPENING_UNKNOWN;
	case OSCORE_GROUP_SIGNATURE:
	case OSCORE_GROUP_TAG:
		return OPENING_BAD;
	case OSCORE_GROUP_INNER:
		return OPENING_INNER;
	case OSCORE_GROUP_FORMAT:
	case OSCORE_GROUP_SIZE:
		return OPENING_MALFORMED;
	case OSCORE_GROUP_BROKEN:
		break;
	}
	return OPENING_FAILED;
}

static enum opening_verdict open_group(struct opener *o, struct task *t)
{
	const struct oscore_group *g = &t->sender->context->group->group;
	const struct opening_question *q = t->q;
	struct oscore_group_request request;
	struct oscore_group_message m;
	const struct oscore_group_member *member;

	if (q->response && oscore_group_request_of(&request, &t->request_option) < 0)
		return OPENING_MALFORMED;
	if (oscore_group_message_init(&m, q->option, q->option_len, q->payload, q->payload_len, q->response ? &request : NULL) < 0)
		return OPENING_MALFORMED;
	member = oscore_group_concerns(g, &m) ? oscore_group_sender(g, &m) : NULL;
	if (member == NULL)
		return OPENING_UNKNOWN;
	/* a response may have led here by who answers; who asked need not be of the bundle */
	t->sender = table_member(o->table, t->sender->context, member);
	t->asker = t->sender;
	if (q->response) {
		member = oscore_group_member(g, request.kid.bytes, request.kid.len);
		t->asker = member != NULL ? table_member(o->table, t->sender->context, member) : NULL;
	}
	if (q->verify)
		return group_verdict(oscore_group_verify(o->groups, g, &m));
	return group_verdict(oscore_group_open(o->groups, g, &m, o->plain, sizeof o->plain, &o->inner));
}

/* Whether a response says of itself that it is of another context, or by somebody else, than its request lets expect. */
static bool is_strange(const struct task *t)
{
	const struct oscore_option *option = &t->option;

	if (option->kid != NULL && !oscore_id_equal(&t->sender->side->id, option->kid, option->kid_len))
		return true;
	return !table_has_kid_context(t->sender->context, option);
}

static enum opening_verdict try_one(struct opener *o, struct task *t, struct table_sender *found)
{
	struct table_context *c = found->context;
	bool group = (t->option.flags & OSCORE_FLAG_GROUP) != 0;

	/* a message of a group that is in pairwise mode: nobody but its two can read it */
	if (c->group != NULL && !group)
		return OPENING_NO_KEY;
	if (c->group == NULL && group)
		return OPENING_UNKNOWN;
	if (c->max_failures > 0 && c->failures >= c->max_failures)
		return OPENING_CLOSED;
	t->asker = t->sender = found;
	if (group)
		return open_group(o, t);
	if (t->q->response) {
		t->sender = table_other(o->table, found);
		if (is_strange(t))
			return OPENING_UNKNOWN;
	}
	return open_plain(o, t);
}

/* ---- all that it may be of ---- */

static bool is_genuine(enum opening_verdict v)
{
	return v == OPENING_OPENED || v == OPENING_VERIFIED || v == OPENING_INNER;
}

/* Of several contexts that did not open it, the verdict that says most. */
static enum opening_verdict stronger(enum opening_verdict a, enum opening_verdict b)
{
	static const uint8_t strength[OPENING_VERDICTS] = {
		[OPENING_UNKNOWN] = 0, [OPENING_NO_KEY] = 1, [OPENING_CLOSED] = 2, [OPENING_MALFORMED] = 3, [OPENING_BAD] = 4, [OPENING_FAILED] = 5,
	};

	return strength[b] > strength[a] ? b : a;
}

static void count_failure(struct table_context *c)
{
	if (c->failures < UINT32_MAX)
		c->failures++;
	if (c->failures == c->max_failures)
		log_warning("context \"%s\" is closed until the next reload: %u messages in its name were not genuine", table_context_name(c),
			(unsigned)c->failures);
}

/* Tries the contexts one after another until one opens it. Are there `more` than are tried, it may be a good message of one of those: then it
 * counts against none. */
static enum opening_verdict try_all(struct opener *o, struct task *t, struct table_sender **found, size_t count, bool more)
{
	enum opening_verdict verdict = OPENING_UNKNOWN, each[TABLE_CANDIDATES_MAX];

	for (size_t i = 0; i < count; i++) {
		each[i] = try_one(o, t, found[i]);
		if (is_genuine(each[i]))
			return each[i];
		verdict = stronger(verdict, each[i]);
	}
	for (size_t i = 0; i < count && !more; i++)
		if (each[i] == OPENING_BAD)
			count_failure(found[i]->context);
	return verdict;
}

/* Whose kid and kid context lead to the context: of a request its own. Of a response the request's; but the members of a group that its bundle
 * has need not be those who ask, so there the one who answers leads to it, if it says who it is. */
static void leading_option(const struct task *t, struct oscore_option *leading)
{
	*leading = t->q->response ? t->request_option : t->option;
	if (!t->q->response || (t->option.flags & OSCORE_FLAG_GROUP) == 0 || t->option.kid == NULL)
		return;
	leading->kid = t->option.kid;
	leading->kid_len = t->option.kid_len;
	if (t->option.kid_context != NULL) {
		leading->kid_context = t->option.kid_context;
		leading->kid_context_len = t->option.kid_context_len;
	}
}

static enum opening_verdict open_message(struct opener *o, struct task *t)
{
	const struct opening_question *q = t->q;
	struct table_sender *found[TABLE_CANDIDATES_MAX];
	struct oscore_option leading;
	size_t count;
	bool more;

	/* of a configuration that is not in force yet, or no more: nobody is known in it, which is not to say that its contexts do not know him */
	if (!table_has_set(o->table, q->set))
		return OPENING_FAILED;
	if (oscore_option_parse(&t->option, q->option, q->option_len, OSCORE_FLAG_GROUP) < 0)
		return OPENING_MALFORMED;
	if (q->response && oscore_option_parse(&t->request_option, q->request_option, q->request_option_len, OSCORE_FLAG_GROUP) < 0)
		return OPENING_MALFORMED;
	if (!oscore_option_fits_request(q->response ? &t->request_option : &t->option))
		return OPENING_MALFORMED;
	leading_option(t, &leading);
	count = table_find(o->table, q->set, &leading, found, &more);
	return try_all(o, t, found, count, more);
}

/* ---- what is told of it ---- */

/* A response is as fresh as its request, which the other side accepted if it is a 2.xx; and if it has a number of its own, no fresher than that. */
static void judge_response(const struct task *t, bool accepts, struct opening_answer *a)
{
	struct oscore_window *asked = t->asker != NULL ? &t->asker->window : NULL, *own = &t->sender->window;
	uint64_t request = oscore_option_sequence(&t->request_option), sequence = oscore_option_sequence(&t->option);
	bool older = false;

	if (asked != NULL && accepts)
		oscore_window_accepted(asked, request);
	a->unverified = asked == NULL || !oscore_window_is_at_work(asked) || request < asked->floor;
	if (t->option.piv == NULL)
		return;
	oscore_window_take(own, sequence, &a->seen, &older);
	if (!a->unverified && !a->seen && !oscore_window_is_at_work(own))
		oscore_window_accepted(own, sequence);
	else
		a->unverified = !a->seen && (a->unverified || older);
}

static void judge_freshness(const struct opener *o, const struct task *t, struct opening_answer *a)
{
	if (t->q->response)
		judge_response(t, a->verdict == OPENING_OPENED && MSG_CLASS(o->inner.code) == 2, a);
	else
		oscore_window_take(&t->sender->window, oscore_option_sequence(&t->option), &a->seen, &a->unverified);
}

/* Replaces the payload of one block by the whole one, if this is the last block, or by none. */
static void put_together(struct opener *o, const struct task *t, bool seen, struct opening_inner *inner)
{
	const struct msg_option *option = msg_option(&o->inner, t->q->response ? OPT_BLOCK2 : OPT_BLOCK1);
	struct opt_block block;
	struct body whole;
	uint64_t key;

	if (option == NULL || opt_block_parse(&block, option) < 0 || (block.num == 0 && !block.more))
		return;
	inner->fields &= ~FIELD_BIT(FIELD_PAYLOAD);
	inner->payload = NULL;
	inner->payload_len = 0;
	if (seen) /* it has had its part in one, which a replay shall not begin anew */
		return;
	if (t->q->response) {
		uint64_t operation = t->asker == NULL ? 0 :
			bodies_find_asked(o->bodies, t->asker->name, oscore_option_sequence(&t->request_option));

		if (operation == 0)
			return;
		key = bodies_answer(o->bodies, t->sender->name, operation);
	} else {
		key = bodies_operation(o->bodies, t->sender->name, &o->inner, true);
	}
	if (!bodies_add(o->bodies, key, t->q->response ? msg_option(&o->inner, OPT_ETAG) : NULL, &block, o->inner.payload, o->inner.payload_len,
		&whole))
		return;
	inner->fields |= FIELD_BIT(FIELD_PAYLOAD);
	inner->payload = whole.bytes;
	inner->payload_len = (uint32_t)whole.len;
	inner->payload_cut = whole.cut;
}

void opener_answer(struct opener *o, const struct opening_question *q, struct opening_answer *a)
{
	struct task t = { .q = q };

	a->id = q->id;
	a->seen = a->unverified = false;
	a->inner.fields = 0;
	a->verdict = (uint8_t)open_message(o, &t);
	if (!is_genuine((enum opening_verdict)a->verdict))
		return;
	judge_freshness(o, &t, a);
	if (a->verdict != OPENING_OPENED || q->verify)
		return;
	oscore_inner_read(&a->inner, &o->inner, q->fields);
	if ((q->fields & FIELD_BIT(FIELD_PAYLOAD)) == 0)
		return;
	if (!q->response)
		bodies_asked(o->bodies, t.sender->name, oscore_option_sequence(&t.option), bodies_operation(o->bodies, t.sender->name, &o->inner, false));
	put_together(o, &t, a->seen, &a->inner);
}

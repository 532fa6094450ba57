#include "proxy/exchange/reader_link.h"

#include <stdlib.h>

struct packet {
	struct packet *next;
	uint64_t wanted_until;   /* the latest time that any of its questions is waited for */
	size_t len;
	uint8_t bytes[OPENING_PACKET_MAX];
};

struct reader_link {
	struct reader_port port; /* send NULL: there is no reader */
	struct slab *tickets;
	uint32_t generation;
	bool blocked;            /* the port will say when it takes more */
	unsigned packet_count;
	struct packet *first, *last; /* the last is being filled */
	struct packet *spare;
};

/* ---- packets ---- */

static void drop_first(struct reader_link *l)
{
	struct packet *k = l->first;

	l->first = k->next;
	if (l->first == NULL)
		l->last = NULL;
	l->packet_count--;
	if (l->spare == NULL)
		l->spare = k;
	else
		free(k);
}

static struct packet *add_packet(struct reader_link *l)
{
	struct packet *k = l->spare;

	if (l->packet_count >= READER_PACKETS_MAX)
		return NULL;
	l->spare = NULL;
	if (k == NULL)
		k = malloc(sizeof *k);
	if (k == NULL)
		return NULL;
	k->next = NULL;
	k->len = 0;
	k->wanted_until = 0;
	if (l->last != NULL)
		l->last->next = k;
	else
		l->first = k;
	l->last = k;
	l->packet_count++;
	return k;
}

/* What nobody waits for any more is not asked at all. */
static void drop_unwanted(struct reader_link *l)
{
	while (l->first != NULL && l->first->wanted_until <= clock_now())
		drop_first(l);
}

static int write_into(struct packet *k, const struct opening_question *q, uint64_t wanted_until)
{
	struct writer w;

	writer_init(&w, k->bytes + k->len, sizeof k->bytes - k->len);
	if (opening_question_write(&w, q) < 0)
		return -1;
	k->len += writer_length(&w);
	if (k->wanted_until < wanted_until)
		k->wanted_until = wanted_until;
	return 0;
}

/* Returns 0, or -1 if there is no room. */
static int put(struct reader_link *l, const struct opening_question *q, uint64_t wanted_until)
{
	if (l->last != NULL && write_into(l->last, q, wanted_until) == 0)
		return 0;
	if (l->blocked)
		drop_unwanted(l);
	return add_packet(l) != NULL ? write_into(l->last, q, wanted_until) : -1;
}

/* ---- tickets ---- */

static void settle(struct reader_link *l, struct reader_ticket *t, const struct opening_answer *a, enum error e)
{
	void (*settled)(struct reader_ticket *, const struct opening_answer *, enum error) = t->settled;

	wheel_cancel(&t->timer);
	t->generation = 0; /* nobody finds it again */
	if (settled != NULL)
		settled(t, a, e);
	slab_free(l->tickets, t->index);
}

static void on_timer(struct wheel_timer *timer)
{
	struct reader_ticket *t = wheel_owner(timer, struct reader_ticket, timer);

	settle(t->proxy->reader_link, t, NULL, ERR_READER_LATE);
}

static uint64_t id_of(const struct reader_ticket *t)
{
	return (uint64_t)t->generation << 32 | t->index;
}

static struct reader_ticket *ticket_of(const struct reader_link *l, uint64_t id)
{
	struct reader_ticket *t = slab_get(l->tickets, (uint32_t)id);

	return t != NULL && t->generation != 0 && id_of(t) == id ? t : NULL;
}

struct reader_ticket *reader_link_ask(struct proxy *p, struct opening_question *q, uint64_t patience,
	void (*settled)(struct reader_ticket *t, const struct opening_answer *a, enum error e), enum error *e)
{
	struct reader_link *l = p->reader_link;
	struct reader_ticket *t;
	uint32_t index;

	*e = l == NULL || l->port.send == NULL ? ERR_READER_ABSENT : q->payload_len > OPENING_PAYLOAD_MAX ? ERR_TOO_LARGE : ERR_NONE;
	if (*e != ERR_NONE)
		return NULL;
	t = slab_new(l->tickets, &index);
	if (t == NULL) {
		*e = ERR_READER_FULL;
		return NULL;
	}
	l->generation = l->generation < UINT32_MAX ? l->generation + 1 : 1;
	t->index = index;
	t->generation = l->generation;
	q->id = id_of(t);
	if (put(l, q, clock_now() + patience) < 0) {
		slab_free(l->tickets, index);
		*e = ERR_READER_FULL;
		return NULL;
	}
	t->proxy = p;
	t->settled = settled;
	t->timer.run = on_timer;
	wheel_set(p->wheel, &t->timer, clock_now() + patience);
	return t;
}

void reader_link_packet(struct proxy *p, const uint8_t *bytes, size_t len)
{
	struct opening_answer a;
	struct reader r;
	int n;

	reader_init(&r, bytes, len);
	while ((n = opening_answer_read(&r, &a)) > 0) {
		struct reader_ticket *t = ticket_of(p->reader_link, a.id);

		if (t != NULL)
			settle(p->reader_link, t, &a, ERR_NONE);
		else
			proxy_count(p, COUNT_READ_LATE);
	}
	if (n < 0)
		proxy_count(p, COUNT_READER_BROKEN);
}

/* ---- sending ---- */

static void lose_one(void *object, uint32_t index, void *arg)
{
	struct reader_ticket *t = object;

	(void)index;
	if (t->generation != 0) /* else it is being settled */
		settle(arg, t, NULL, ERR_READER_ABSENT);
}

/* Who is told may ask anew: that is refused already. */
static void lose(struct reader_link *l)
{
	l->port.send = NULL;
	l->blocked = false;
	while (l->first != NULL)
		drop_first(l);
	slab_each(l->tickets, lose_one, l);
}

bool reader_link_flush(struct proxy *p)
{
	struct reader_link *l = p->reader_link;

	if (l == NULL || l->blocked)
		return false;
	while (l->first != NULL && l->port.send != NULL) {
		int n = l->port.send(l->port.arg, l->first->bytes, l->first->len);

		if (n < 0) {
			lose(l);
			return true;
		}
		if (n == 0) {
			l->blocked = true;
			return false;
		}
		drop_first(l);
	}
	return false;
}

void reader_link_writable(struct proxy *p)
{
	p->reader_link->blocked = false;
	drop_unwanted(p->reader_link);
}

/* ---- life ---- */

int reader_link_attach(struct proxy *p, const struct reader_port *port)
{
	struct reader_link *l = p->reader_link;

	if (l != NULL)
		lose(l);
	if (port == NULL)
		return 0;
	if (l == NULL)
		l = calloc(1, sizeof *l);
	if (l == NULL)
		return -1;
	p->reader_link = l;
	if (l->tickets == NULL)
		l->tickets = slab_create(sizeof(struct reader_ticket), p->conf->settings.reader_queue);
	if (l->tickets == NULL)
		return -1;
	l->port = *port;
	return 0;
}

uint32_t reader_link_open(const struct proxy *p)
{
	return p->reader_link != NULL && p->reader_link->tickets != NULL ? slab_count(p->reader_link->tickets) : 0;
}

bool reader_link_has_room(const struct proxy *p)
{
	return reader_link_open(p) <= p->conf->settings.reader_queue / 2;
}

void reader_link_renew(struct proxy *p)
{
	if (p->reader_link != NULL && p->reader_link->tickets != NULL)
		slab_set_limit(p->reader_link->tickets, p->conf->settings.reader_queue);
}

static void cancel_one(void *object, uint32_t index, void *arg)
{
	struct reader_ticket *t = object;

	(void)index, (void)arg;
	wheel_cancel(&t->timer);
}

void reader_link_destroy(struct proxy *p)
{
	struct reader_link *l = p->reader_link;

	if (l == NULL)
		return;
	while (l->first != NULL)
		drop_first(l);
	free(l->spare);
	if (l->tickets != NULL)
		slab_each(l->tickets, cancel_one, NULL);
	slab_destroy(l->tickets);
	free(l);
	p->reader_link = NULL;
}

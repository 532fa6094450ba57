#include "proxy/exchange/ports.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/return_path.h"
#include "proxy/exchange/sessions.h"

/* Tenths of a second one chunk of IDs lasts at a given share of a port's rate. */
enum {
	CHUNK_AT_FULL_RATE = 2470 / MESSAGE_ID_CHUNKS,
	CHUNK_AT_HALF_RATE = 2 * CHUNK_AT_FULL_RATE,
	CHUNK_AT_THREE_QUARTERS = 4 * CHUNK_AT_FULL_RATE / 3,
};

/* The Message IDs from a source port to an origin. A fixed table, so that an origin that was forgotten and comes back does
 * not meet its old IDs too early. */
static struct origin_port *space_of(const struct proxy *p, const struct origin *o, unsigned slot)
{
	return &p->cell->ports[(o->hash ^ slot * 0x9e3779b1u) % PORT_SPACES];
}

int32_t ports_take_mid(struct proxy *p, uint32_t origin, unsigned slot)
{
	return message_ids_take(&p->cell->ports[(origin ^ slot * 0x9e3779b1u) % PORT_SPACES].ids, clock_now(), NULL);
}

static int grow(struct proxy *p, struct origin *o, unsigned wanted)
{
	unsigned count = o->port_count == 0 ? 1 : o->port_count;

	if (edge_is_clients_session(&o->peer))
		return -1; /* he has the one port that he came to */
	while (count < wanted)
		count *= 2;
	if (count > p->conf->settings.origin_ports)
		count = p->conf->settings.origin_ports;
	if (count <= o->port_count)
		return -1;
	for (unsigned i = o->port_count; i < count; i++) {
		/* Where messages are reliable a slot is no more than the number of a connection. */
		if (edge_of(&o->peer)->reliable || edge_open_slot(i, endpoint_is_ipv4(&o->peer)) == 0)
			continue;
		/* What could be opened is used as far as it doubles the pool. */
		while (count > i)
			count /= 2;
		if (count <= o->port_count)
			return -1;
		break;
	}
	if (o->port_count > 0)
		proxy_count(p, COUNT_PORTS_GROWN);
	o->port_count = (uint16_t)count;
	o->grown_at = clock_now();
	return 0;
}

/* ---- which port a client was given ---- */

/* A binding's slot (its low bits), and whether a transfer or observation of its client began there. */
enum { NO_SLOT = 0x7fff, TRANSFER = 0x8000 };

static uint64_t mix_of(const struct client *c, uint32_t origin)
{
	/* Only the upper half of the product depends on the client. */
	return ((uint64_t)c->hash << 32 | origin) * 0x9e3779b97f4a7c15ull;
}

static struct binding *set_of(const struct proxy *p, uint64_t mix)
{
	return &p->bindings[(mix >> 48 & (BINDING_SETS - 1)) * BINDING_WAYS];
}

void ports_soon(const struct proxy *p, const struct client *c, uint32_t origin)
{
	__builtin_prefetch(set_of(p, mix_of(c, origin)), 1);
	__builtin_prefetch(&p->cell->ports[origin % PORT_SPACES].ids.next, 1); /* of the first port: most have no other */
}

static struct binding *binding_of(struct proxy *p, const struct client *c, const struct origin *o)
{
	uint64_t mix = mix_of(c, o->hash);
	uint32_t tag = (uint32_t)(mix >> 16) | 1;
	struct binding *set = set_of(p, mix);
	uint16_t now = (uint16_t)(clock_now() / (8 * CLOCK_SECOND));
	struct binding *oldest = set;

	for (int i = 0; i < BINDING_WAYS; i++) {
		if (set[i].tag == tag) {
			if ((uint16_t)(now - set[i].when) > 247 / 8 + 1)
				set[i].slot = NO_SLOT;
			set[i].when = now;
			return &set[i];
		}
		if (set[i].tag == 0 || (oldest->tag != 0 && (uint16_t)(now - set[i].when) > (uint16_t)(now - oldest->when)))
			oldest = &set[i];
	}
	*oldest = (struct binding){ .tag = tag, .slot = NO_SLOT, .when = now };
	return oldest;
}

/* ---- uploads keep apart ---- */

/* Drops what has been silent too long, and of those that ended what is too much. Returns how many uploads run. */
static unsigned expire_uploads(struct origin *o)
{
	struct upload **at = &o->uploads;
	unsigned running = 0, ended = 0;

	while (*at != NULL) {
		struct upload *u = *at;

		if (clock_now() - u->last <= EXCHANGE_LIFETIME && (!u->ended || ended < UPLOADS_MAX)) {
			at = &u->next;
			running += !u->ended;
			ended += u->ended;
			continue;
		}
		*at = u->next;
		free(u);
	}
	return running;
}

/* That of this client and resource, running or ended, or NULL. */
static struct upload *upload_of(const struct exchange *x)
{
	struct upload *u = x->origin->uploads;

	while (u != NULL && (u->client != x->client->hash || u->resource != x->resource))
		u = u->next;
	return u;
}

static bool slot_has_upload(const struct origin *o, unsigned slot, uint64_t resource)
{
	for (const struct upload *u = o->uploads; u != NULL; u = u->next)
		if (!u->ended && u->slot == slot && u->resource == resource)
			return true;
	return false;
}

/* A port that no running upload to this resource uses, beginning at `preferred`; the pool grows if need be. Returns -1 if
 * there is none. */
static int free_upload_slot(struct proxy *p, struct origin *o, uint64_t resource, unsigned preferred)
{
	for (;;) {
		for (unsigned i = 0; i < o->port_count; i++) {
			unsigned slot = (preferred + i) % o->port_count;

			if (!slot_has_upload(o, slot, resource))
				return (int)slot;
		}
		if (grow(p, o, o->port_count * 2u) < 0)
			return -1;
	}
}

/* The port of a request with Block1: that of its upload, which begins with the first block that has more behind it. */
static int upload_slot(struct proxy *p, struct exchange *x, unsigned preferred)
{
	struct origin *o = x->origin;
	unsigned running = expire_uploads(o);
	struct upload *u = upload_of(x);
	int slot;

	if (u != NULL && (!u->ended || x->block1 != 2)) {
		u->last = clock_now();
		return u->slot;
	}
	if (x->block1 != 2)
		return (int)preferred;
	slot = running < UPLOADS_MAX ? free_upload_slot(p, o, x->resource, preferred) : -1;
	if (slot < 0)
		return -1;
	if (u == NULL) {
		u = malloc(sizeof *u);
		if (u == NULL)
			return -1;
		u->next = o->uploads;
		o->uploads = u;
	}
	*u = (struct upload){ .next = u->next, .client = x->client->hash, .resource = x->resource, .last = clock_now(), .slot = (uint16_t)slot };
	return slot;
}

/* The port of a request without: that of an upload if it asks for a block of its answer, which names no Block1 any more. */
static int answer_slot(const struct exchange *x, unsigned usual)
{
	const struct upload *u = x->has_block2 && x->code != CODE_GET ? upload_of(x) : NULL;

	return u != NULL && u->ended && clock_now() - u->last <= EXCHANGE_LIFETIME ? u->slot : (int)usual;
}

void ports_upload_ended(const struct exchange *x)
{
	struct upload *u = upload_of(x);

	if (u != NULL) {
		u->ended = true;
		u->last = clock_now();
	}
}

/* ---- assignment ---- */

static bool is_busy(const struct origin_port *port)
{
	return port->chunk_took > 0 && port->chunk_took < CHUNK_AT_THREE_QUARTERS;
}

static bool is_transfer(const struct exchange *x)
{
	return x->observe != OBSERVE_NONE || x->has_block2 || x->block1 != 0;
}

static unsigned choose(struct proxy *p, const struct exchange *x, const struct binding *b)
{
	struct origin *o = x->origin;
	unsigned hashed = x->client->hash & (o->port_count - 1u), bound = b->slot & NO_SLOT;

	if (bound >= o->port_count)
		return hashed;
	/* What OSCORE hides may be part of a transfer: it stays for as long as there are Message IDs. */
	return is_transfer(x) || x->oscore || !is_busy(space_of(p, o, bound)) ? bound : hashed;
}

/* A plain request that goes round a busy port leaves the transfer of its client where it is. */
static void binding_note(struct binding *b, const struct exchange *x, unsigned slot)
{
	if (is_transfer(x))
		b->slot = (uint16_t)(slot | TRANSFER);
	else if (!(b->slot & TRANSFER))
		b->slot = (uint16_t)slot;
}

/* How many ports this origin's messages would fill to half of their rate, by what the last chunk of each told. */
static unsigned ports_needed(const struct proxy *p, const struct origin *o)
{
	unsigned hundredths = 0;

	for (unsigned slot = 0; slot < o->port_count; slot++) {
		const struct origin_port *port = space_of(p, o, slot);

		if (port->chunk_took > 0)
			hundredths += 100 * CHUNK_AT_HALF_RATE / port->chunk_took;
	}
	return hundredths / 100 + 1;
}

/* The end of a chunk of IDs tells the port's rate; a pool whose busiest port is over half of it grows to fit. Over three
 * quarters, where clients are moved, it grows in any case: those of this port may have met on it by their hashes. A chunk
 * that began before the pool last grew tells nothing of the pool as it is. */
static void note_rate(struct proxy *p, struct origin *o, struct origin_port *port, uint32_t chunk_took)
{
	unsigned wanted;

	port->chunk_took = chunk_took;
	if (chunk_took >= CHUNK_AT_HALF_RATE || clock_now() - chunk_took * (CLOCK_SECOND / 10) < o->grown_at)
		return;
	wanted = ports_needed(p, o);
	if (is_busy(port) && wanted < o->port_count * 2u)
		wanted = o->port_count * 2u;
	grow(p, o, wanted);
}

static int take_id(struct proxy *p, struct exchange *x, unsigned slot)
{
	struct origin *o = x->origin;
	struct origin_port *port = space_of(p, o, slot);
	uint32_t chunk_took;
	int32_t mid;

	x->slot = (uint16_t)slot;
	x->mid = 0;
	if (edge_of(&o->peer)->reliable)
		return 0;
	mid = message_ids_take(&port->ids, clock_now(), &chunk_took);
	if (mid < 0)
		return -1;
	x->mid = (uint16_t)mid;
	if (chunk_took > 0 && x->path == NULL)
		note_rate(p, o, port, chunk_took);
	return 0;
}

/* Towards groups: one port, one space of Message IDs for all of them, as a device may be a member of several; and never one that is spoken from
 * to a device alone (RFC 7252 8.1). */
static int assign_for_group(struct proxy *p, struct exchange *x)
{
	struct origin_port *port = &p->cell->ports[GROUP_SLOT * 0x9e3779b1u % PORT_SPACES];
	int32_t mid = edge_open_slot(GROUP_SLOT, endpoint_is_ipv4(&x->origin->peer)) == 0 ? message_ids_take(&port->ids, clock_now(), NULL) : -1;

	if (mid < 0)
		return -1;
	x->slot = GROUP_SLOT;
	x->mid = (uint16_t)mid;
	return 0;
}

/* Whether it may go by another port where its own has no Message ID left. No state of the origin's that hangs on a port is needed for blocks of
 * what is read (RFC 7959 2.4). What OSCORE hides may be part of anything, which would be lost as well if it did not go at all. */
static bool may_be_anywhere(const struct exchange *x)
{
	bool reads = !x->oscore && (x->code == CODE_GET || x->code == CODE_FETCH);

	return x->observe == OBSERVE_NONE && x->block1 == 0 && (!x->has_block2 || reads);
}

/* By another port instead of not at all. */
static int take_elsewhere(struct proxy *p, struct exchange *x, struct binding *b, unsigned dry)
{
	unsigned count = x->origin->port_count;

	for (unsigned i = 1; i < count; i++) {
		unsigned slot = (dry + i) % count;

		if (take_id(p, x, slot) == 0) {
			binding_note(b, x, slot);
			return 0;
		}
	}
	return -1;
}

/* Towards a client of ours. Two uploads to one resource of his go one after the other. */
static int assign_for_client(struct proxy *p, struct exchange *x, bool keep_slot)
{
	x->origin->port_count = 1;
	if (x->block1 != 0 && x->client != NULL && !keep_slot && upload_slot(p, x, 0) < 0)
		return -1;
	return sessions_assign(p, x);
}

int ports_assign(struct proxy *p, struct exchange *x, bool keep_slot)
{
	struct origin *o = x->origin;
	struct binding *b;
	int usual, slot;
	bool unbound;

	if (x->group)
		return assign_for_group(p, x);
	if (edge_is_clients_session(&o->peer))
		return assign_for_client(p, x, keep_slot);
	if (x->path != NULL)
		return take_id(p, x, return_path_slot(x->path));
	if (o->port_count == 0 && grow(p, o, 1) < 0)
		return -1;
	if (keep_slot || x->client == NULL)
		return take_id(p, x, x->slot);
	b = binding_of(p, x->client, o);
	unbound = (b->slot & NO_SLOT) == NO_SLOT;
	usual = (int)choose(p, x, b);
	slot = x->block1 != 0 ? upload_slot(p, x, (unsigned)usual) : answer_slot(x, (unsigned)usual);
	if (slot < 0)
		return -1;
	/* An upload that had to go elsewhere takes nothing else of its client along: that may be a transfer too, hidden by OSCORE. */
	if (unbound || slot == usual)
		binding_note(b, x, (unsigned)slot);
	if (take_id(p, x, (unsigned)slot) == 0)
		return 0;
	return may_be_anywhere(x) ? take_elsewhere(p, x, b, (unsigned)slot) : -1;
}

void ports_free(struct origin *o)
{
	while (o->uploads != NULL) {
		struct upload *u = o->uploads;

		o->uploads = u->next;
		free(u);
	}
}

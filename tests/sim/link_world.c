#include "tests/sim/link_world.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "coap/stream.h"

struct link_world world;

/* ---- of others ---- */

const struct listener *snapshot_listener(const struct snapshot *conf, unsigned slot)
{
	(void)conf, (void)slot;
	return &world.listener;
}

/* ---- the owner ---- */

static bool on_secured(struct stream_link *l)
{
	(void)l;
	world.secured++;
	return true;
}

static void on_opened(struct stream_link *l)
{
	(void)l;
	world.opened++;
}

static bool on_message(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	uint32_t size = (uint32_t)len;

	assert_ptr_equal(l, world.link);
	assert_true(world.ended == 0);
	assert_true(world.noted_len + sizeof size + len <= NOTED_MAX);
	memcpy(world.noted + world.noted_len, &size, sizeof size);
	memcpy(world.noted + world.noted_len + sizeof size, bytes, len);
	world.noted_len += sizeof size + len;
	world.messages++;
	if (world.on_message != NULL)
		world.on_message(bytes, len);
	return !world.malformed;
}

static void on_refused(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	(void)l, (void)bytes, (void)len;
	world.refused++;
}

static void on_writable(struct stream_link *l)
{
	(void)l;
	world.writable++;
}

static void on_released(struct stream_link *l, uint32_t hold_off)
{
	(void)l;
	world.released++;
	world.hold_off = hold_off;
}

static void on_ended(struct stream_link *l, enum error e)
{
	assert_ptr_equal(l, world.link);
	world.ended++;
	world.error = e;
}

static void on_freed(struct stream_link *l)
{
	assert_ptr_equal(l, world.link);
	world.freed++;
	world.link = NULL;
}

static unsigned on_under_way(const struct stream_link *l, bool *observed)
{
	(void)l;
	*observed = world.observed;
	return world.under_way;
}

static const struct stream_link_calls calls = { on_secured, on_opened, on_message, on_refused, on_writable, on_released, on_ended, on_freed,
	on_under_way };

/* ---- the world ---- */

int link_world_open(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	clock_steer(CLOCK_SECOND);
	world.base = event_base_new();
	world.proxy.wheel = wheel_create(clock_now());
	world.proxy.conf = &world.conf;
	world.proxy.metrics = &world.metrics;
	world.proxy.house.count = 1;
	world.conf.settings = (struct settings){
		.client_exchanges = 4096, .token_length = 32, .queue_memory = 256u << 20, .transports_message_size = 17536,
		.transports_idle_timeout = 3600 * CLOCK_SECOND, .transports_csm_timeout = 10 * CLOCK_SECOND,
		.transports_connect_timeout = 5 * CLOCK_SECOND, .transports_origin_idle = 300 * CLOCK_SECOND,
	};
	world.peer = -1;
	stream_links_open(world.base, &world.proxy);
	return 0;
}

static void forget_link(void)
{
	if (world.link != NULL)
		stream_link_free(world.link);
	if (world.peer >= 0)
		close(world.peer);
	world.peer = -1;
}

int link_world_close(void **state)
{
	(void)state;
	forget_link();
	stream_links_close();
	assert_int_equal(stream_links_held(), 0);
	wheel_destroy(world.proxy.wheel);
	event_base_free(world.base);
	return 0;
}

static void begin_anew(void)
{
	forget_link();
	world.noted_len = world.got_len = 0;
	world.messages = world.opened = world.ended = world.freed = world.refused = world.writable = world.released = world.secured = 0;
	world.got_end = world.got_reset = world.observed = world.malformed = false;
	world.under_way = 0;
	world.on_message = NULL;
}

void link_begin(bool to_origin)
{
	int ends[2];
	struct stream_link_begin b = { .calls = &calls, .to_origin = to_origin, .peer = { .transport = URI_COAP_TCP, .session = 1 } };

	begin_anew();
	/* what is written to these is there at once, which it need not be over loopback */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	b.fd = ends[0];
	world.peer = ends[1];
	world.link = stream_link_new(&b);
	assert_non_null(world.link);
	link_run();
}

void link_begin_to_port(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct stream_link_begin b = { .calls = &calls, .to_origin = true, .connecting = true, .peer = { .transport = URI_COAP_TCP } };

	begin_anew();
	b.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(b.fd, (struct sockaddr *)&at, sizeof at), -1);
	assert_int_equal(errno, EINPROGRESS);
	world.link = stream_link_new(&b);
	assert_non_null(world.link);
	link_run();
}

void link_run(void)
{
	unsigned quiet = 0;

	for (unsigned turns = 0; quiet < 3; turns++) {
		unsigned before = world.messages + world.ended + world.freed;

		assert_true(turns < 100000);
		event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		wheel_run(world.proxy.wheel, clock_now());
		quiet = stream_links_flush() || before != world.messages + world.ended + world.freed ? 0 : quiet + 1;
	}
}

void link_pass(uint64_t microseconds)
{
	clock_steer(clock_now() + microseconds);
	link_run();
}

/* ---- the peer ---- */

void peer_send(const void *bytes, size_t len)
{
	assert_int_equal(send(world.peer, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
	link_run();
}

size_t peer_push(const void *bytes, size_t len)
{
	ssize_t sent = send(world.peer, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return sent > 0 ? (size_t)sent : 0;
}

void peer_read(void)
{
	ssize_t got;

	link_run();
	while (world.got_len < NOTED_MAX && (got = recv(world.peer, world.got + world.got_len, NOTED_MAX - world.got_len, MSG_DONTWAIT)) != -1) {
		world.got_end = got == 0;
		if (got == 0)
			return;
		world.got_len += (size_t)got;
		link_run();
	}
	world.got_reset = world.got_len < NOTED_MAX && errno == ECONNRESET;
}

void peer_close(bool reset)
{
	/* one that is closed with something unread in it is reset */
	if (!reset)
		peer_read();
	close(world.peer);
	world.peer = -1;
	link_run();
}

size_t peer_message(uint8_t *out, uint8_t code, const char *token, const uint8_t *options, size_t options_len, size_t payload)
{
	static uint8_t datagram[NOTED_MAX];
	struct msg_writer w;
	size_t len, header;

	msg_begin(&w, datagram, sizeof datagram, MSG_NON, code, 0, (const uint8_t *)token, strlen(token));
	writer_bytes(&w.w, options, options_len);
	if (payload > 0) {
		writer_u8(&w.w, 0xff);
		while (payload-- > 0)
			writer_u8(&w.w, 'x');
	}
	len = msg_end(&w);
	header = stream_frame_write_header(out, STREAM_FRAMED, datagram, len);
	memcpy(out + header, datagram + MSG_HEADER, len - MSG_HEADER);
	return header + len - MSG_HEADER;
}

size_t peer_signal(uint8_t *out, uint8_t code, const uint8_t *options, size_t options_len)
{
	return peer_message(out, code, "", options, options_len, 0);
}

void peer_send_csm(uint32_t message_size)
{
	uint8_t out[32], options[] = { 0x24, (uint8_t)(message_size >> 24), (uint8_t)(message_size >> 16), (uint8_t)(message_size >> 8),
		(uint8_t)message_size };

	peer_send(out, peer_signal(out, SIGNAL_CSM, options, message_size > 0 ? sizeof options : 0));
}

/* Frames are turned into datagrams in a copy. */
static bool take_frame(size_t *at, struct msg_view *m)
{
	static uint8_t copy[STREAM_HEADROOM + NOTED_MAX];
	struct stream_frame f;
	uint8_t *datagram;
	size_t len;

	if (*at >= world.got_len || stream_frame_read(&f, STREAM_FRAMED, world.got + *at, world.got_len - *at, NOTED_MAX) != STREAM_FRAME)
		return false;
	memcpy(copy + STREAM_HEADROOM, world.got + *at, f.size);
	datagram = stream_frame_to_datagram(copy + STREAM_HEADROOM, &f, &len);
	assert_int_equal(msg_parse_datagram(m, datagram, len), MSG_OK);
	*at += f.size;
	return true;
}

bool peer_frame(unsigned n, struct msg_view *m)
{
	size_t at = 0;

	peer_read();
	for (unsigned i = 0; i <= n; i++)
		if (!take_frame(&at, m))
			return false;
	return true;
}

unsigned peer_frames(void)
{
	struct msg_view m;
	size_t at = 0;
	unsigned count = 0;

	peer_read();
	while (take_frame(&at, &m))
		count++;
	return count;
}

unsigned peer_count(uint8_t code, struct msg_view *last)
{
	struct msg_view m;
	unsigned count = 0;

	for (unsigned i = 0; peer_frame(i, &m); i++)
		count += m.code == code;
	for (unsigned i = 0, found = 0; last != NULL && found < count && peer_frame(i, last); i++)
		found += last->code == code;
	return count;
}

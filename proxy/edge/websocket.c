#include "proxy/edge/websocket.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/random.h"
#include "coap/message.h"
#include "coap/stream.h"
#include "proxy/edge/websocket_handshake.h"

enum { MESSAGE_ROOM_FIRST = 512 };

/* A client's, until the server has agreed. */
struct upgrade {
	char host[WEBSOCKET_HOST_MAX + 1];
	char key[WEBSOCKET_KEY_LEN + 1];
	size_t len;
	uint8_t answer[WEBSOCKET_ANSWER_MAX];
};

struct websocket {
	const struct websocket_calls *calls;
	void *owner;
	wslay_event_context_ptr context;
	struct upgrade *upgrade;  /* NULL: messages pass */
	const uint8_t *at, *end;  /* what is being fed */
	uint8_t *message;         /* what came of the present one, behind STREAM_HEADROOM bytes; NULL: nothing */
	size_t len, room, max;    /* its bytes, the room for them, and the most that it may have */
	const char *why;
	uint8_t opcode;           /* of the frame that is being read */
	uint8_t result;           /* enum websocket_result */
};

/* ---- the end ---- */

/* Reads nothing more. */
static void end(struct websocket *w, enum websocket_result result, const char *why)
{
	if (w->result != WEBSOCKET_GOES_ON)
		return;
	w->result = (uint8_t)result;
	w->why = why;
	w->at = w->end;
	wslay_event_shutdown_read(w->context);
}

static void fail(struct websocket *w, enum websocket_status status, const char *why)
{
	end(w, WEBSOCKET_FAILED, why);
	websocket_close(w, status);
}

/* Also in the midst of what is fed: what is queued there would be overtaken by a Close, and lost behind it. */
static void send_queued(struct websocket *w)
{
	if (wslay_event_send(w->context) < 0)
		end(w, WEBSOCKET_FAILED, "there is no memory");
}

/* ---- messages that come ---- */

static bool grow(struct websocket *w, size_t len)
{
	size_t room = w->room > 0 ? w->room : MESSAGE_ROOM_FIRST;
	uint8_t *message;

	if (w->message != NULL && len <= w->room)
		return true;
	while (room < len)
		room *= 2;
	if (room > w->max)
		room = w->max;
	message = realloc(w->message, STREAM_HEADROOM + room);
	if (message == NULL)
		return false;
	w->message = message;
	w->room = room;
	return true;
}

static void drop_message(struct websocket *w)
{
	free(w->message);
	w->message = NULL;
	w->len = w->room = 0;
}

static void on_frame(wslay_event_context_ptr context, const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct websocket *w = arg;

	(void)context;
	w->opcode = frame->opcode;
	if (wslay_is_ctrl_frame(frame->opcode))
		return;
	if (frame->opcode == WSLAY_TEXT_FRAME)
		fail(w, WEBSOCKET_NOT_BINARY, "it sent text");
	else if (frame->payload_length > w->max - w->len)
		fail(w, WEBSOCKET_TOO_LARGE, "it sent a message that is too large");
}

static void on_bytes(wslay_event_context_ptr context, const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
	struct websocket *w = arg;

	(void)context;
	if (w->result != WEBSOCKET_GOES_ON || wslay_is_ctrl_frame(w->opcode))
		return;
	if (!grow(w, w->len + chunk->data_length)) {
		end(w, WEBSOCKET_FAILED, "there is no memory");
		return;
	}
	memcpy(w->message + STREAM_HEADROOM + w->len, chunk->data, chunk->data_length);
	w->len += chunk->data_length;
}

static void on_message(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	struct websocket *w = arg;
	size_t len = w->len;

	(void)context;
	send_queued(w);
	if (w->result != WEBSOCKET_GOES_ON || message->opcode != WSLAY_BINARY_FRAME)
		return;
	w->len = 0;
	if (!grow(w, 0))
		end(w, WEBSOCKET_FAILED, "there is no memory");
	else if (!w->calls->message(w->owner, w->message + STREAM_HEADROOM, len))
		end(w, WEBSOCKET_CLOSED, "");
}

/* ---- bytes ---- */

static ssize_t take_bytes(wslay_event_context_ptr context, uint8_t *bytes, size_t room, int flags, void *arg)
{
	struct websocket *w = arg;
	size_t len = (size_t)(w->end - w->at);

	(void)flags;
	if (len == 0) {
		wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (len > room)
		len = room;
	memcpy(bytes, w->at, len);
	w->at += len;
	return (ssize_t)len;
}

static ssize_t give_bytes(wslay_event_context_ptr context, const uint8_t *bytes, size_t len, int flags, void *arg)
{
	struct websocket *w = arg;

	(void)context;
	(void)flags;
	w->calls->write(w->owner, bytes, len);
	return (ssize_t)len;
}

static int draw_mask(wslay_event_context_ptr context, uint8_t *mask, size_t len, void *arg)
{
	(void)context;
	(void)arg;
	random_bytes(mask, len);
	return 0;
}

/* ---- its beginning and its end ---- */

static struct websocket *new(size_t message_max, bool client)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = take_bytes, .send_callback = give_bytes, .genmask_callback = draw_mask,
		.on_frame_recv_start_callback = on_frame, .on_frame_recv_chunk_callback = on_bytes, .on_msg_recv_callback = on_message,
	};
	struct websocket *w = calloc(1, sizeof *w);
	int error;

	if (w == NULL)
		return NULL;
	error = client ? wslay_event_context_client_init(&w->context, &callbacks, w) :
		wslay_event_context_server_init(&w->context, &callbacks, w);
	if (error != 0) {
		free(w);
		return NULL;
	}
	/* It would take memory for a fragment as soon as it is announced, and some for each of many small ones. */
	wslay_event_config_set_no_buffering(w->context, 1);
	w->max = message_max;
	w->why = "";
	return w;
}

struct websocket *websocket_new_server(size_t message_max)
{
	return new(message_max, false);
}

struct websocket *websocket_new_client(size_t message_max, const char *host)
{
	size_t len = strlen(host);
	struct websocket *w = len <= WEBSOCKET_HOST_MAX ? new(message_max, true) : NULL;

	if (w == NULL)
		return NULL;
	w->upgrade = calloc(1, sizeof *w->upgrade);
	if (w->upgrade == NULL) {
		websocket_free(w);
		return NULL;
	}
	memcpy(w->upgrade->host, host, len);
	return w;
}

void websocket_free(struct websocket *w)
{
	if (w == NULL)
		return;
	wslay_event_context_free(w->context);
	free(w->upgrade);
	free(w->message);
	free(w);
}

void websocket_begin(struct websocket *w, const struct websocket_calls *calls, void *owner)
{
	char request[WEBSOCKET_REQUEST_MAX];
	size_t len;

	w->calls = calls;
	w->owner = owner;
	if (w->upgrade == NULL)
		return;
	len = websocket_request_write(request, w->upgrade->key, w->upgrade->host);
	calls->write(owner, (const uint8_t *)request, len);
}

/* ---- what the owner does ---- */

/* Reads on in the server's answer; w->at is behind it when it is there. */
static void read_answer(struct websocket *w)
{
	struct upgrade *u = w->upgrade;
	size_t more = (size_t)(w->end - w->at), room = sizeof u->answer - u->len, whole;
	const char *why;

	if (more > room)
		more = room;
	memcpy(u->answer + u->len, w->at, more);
	whole = websocket_answer_length(u->answer, u->len + more);
	if (whole == 0) {
		u->len += more;
		w->at += more;
		if (u->len == sizeof u->answer)
			end(w, WEBSOCKET_REFUSED, "its answer is too long");
		return;
	}
	w->at += whole - u->len;
	why = websocket_answer_check(u->answer, whole, u->key);
	if (why != NULL) {
		end(w, WEBSOCKET_REFUSED, why);
		return;
	}
	free(u);
	w->upgrade = NULL;
	w->calls->opened(w->owner);
}

enum websocket_result websocket_feed(struct websocket *w, const uint8_t *bytes, size_t len)
{
	int error;

	if (w->result != WEBSOCKET_GOES_ON || len == 0)
		return (enum websocket_result)w->result;
	w->at = bytes;
	w->end = bytes + len;
	if (w->upgrade != NULL)
		read_answer(w);
	if (w->upgrade == NULL && w->result == WEBSOCKET_GOES_ON) {
		error = wslay_event_recv(w->context);
		if (wslay_event_get_close_received(w->context))
			end(w, WEBSOCKET_CLOSED, "");
		else if (error != 0 || !wslay_event_get_read_enabled(w->context))
			end(w, WEBSOCKET_FAILED, "it broke the rules of frames");
		send_queued(w);
	}
	if (w->len == 0)
		drop_message(w);
	w->at = w->end = NULL;
	return (enum websocket_result)w->result;
}

const char *websocket_why(const struct websocket *w)
{
	return w->why;
}

bool websocket_send(struct websocket *w, const uint8_t *header, size_t header_len, const uint8_t *rest, size_t rest_len)
{
	uint8_t bytes[MSG_MAX];
	struct wslay_event_msg message = { .opcode = WSLAY_BINARY_FRAME, .msg = bytes, .msg_length = header_len + rest_len };

	if (w->upgrade != NULL || header_len > sizeof bytes || rest_len > sizeof bytes - header_len)
		return false;
	if (header_len > 0)
		memcpy(bytes, header, header_len);
	if (rest_len > 0)
		memcpy(bytes + header_len, rest, rest_len);
	if (wslay_event_queue_msg(w->context, &message) != 0)
		return false;
	send_queued(w);
	return true;
}

void websocket_close(struct websocket *w, enum websocket_status status)
{
	if (w->upgrade == NULL && wslay_event_queue_close(w->context, (uint16_t)status, NULL, 0) == 0)
		send_queued(w);
}

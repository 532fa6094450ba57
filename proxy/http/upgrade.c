#include "proxy/http/upgrade.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/decide/http_route.h"
#include "proxy/edge/streams.h"
#include "proxy/edge/websocket_handshake.h"
#include "proxy/http/cors.h"

/* What the streams edge is told, kept until the connection is its own. */
struct agreement {
	struct endpoint peer;
	struct local_address local;
	unsigned listener;
	char host[URI_HOST_MAX + 1];
	char name[IDENTITY_MAX]; /* "": nobody */
	struct credential_proof proof;
	char answer[WEBSOCKET_AGREEMENT_MAX];
	size_t answer_len;
};

/* ---- what the head says ---- */

/* Is the word an element of this list, in any of the fields of the name? In any case, or exactly. */
static bool lists(const struct http_head *head, const char *name, const char *word, bool exactly)
{
	for (size_t i = 0; i < head->field_count; i++) {
		struct http_text rest = head->fields[i].value, element;

		if (!http_text_is(head->fields[i].name, name))
			continue;
		while (http_list_next(&rest, &element))
			if (exactly ? http_text_equal(element, word) : http_text_is(element, word))
				return true;
	}
	return false;
}

/* The field, if it is there once. */
static const struct http_text *single(const struct http_head *head, const char *name)
{
	return http_field_count(head, name) == 1 ? &http_field_find(head, name)->value : NULL;
}

/* The page that asks is our own, or listed. Whoever is no browser says of none (RFC 6455 10.2). */
static bool origin_may(const struct http_request *r, const struct listener *l, const struct http_head *head)
{
	const struct http_text *origin = single(head, "Origin");

	if (http_field_count(head, "Origin") == 0)
		return true;
	if (origin == NULL)
		return false;
	for (size_t i = 0; i < l->websocket_origin_count; i++)
		if (strcmp(l->websocket_origins[i], "*") == 0 || http_text_is(*origin, l->websocket_origins[i]))
			return true;
	return cors_is_own(r, *origin);
}

#define UPGRADE_FIELDS "Upgrade: websocket\r\nConnection: Upgrade\r\n"

/* Refuses what is not asked in the right way; false if nothing is wrong. */
static bool refuse(struct http_request *r, const struct listener *l, const struct http_head *head)
{
	const struct http_text *version = single(head, "Sec-WebSocket-Version"), *key = single(head, "Sec-WebSocket-Key");

	if (!http_text_equal(head->method, "GET"))
		reply_refused(r, 405, NULL, "Allow: GET\r\n", ERR_METHOD);
	else if (head->minor == 0 || !lists(head, "Upgrade", "websocket", false) || !lists(head, "Connection", "upgrade", false))
		reply_status(r, 426, "Here are WebSockets alone", UPGRADE_FIELDS "Sec-WebSocket-Version: " WEBSOCKET_VERSION "\r\n");
	else if (!http_connection_body_ended(r->connection))
		reply_status(r, 400, "A request for a WebSocket has no body", NULL);
	else if (version == NULL)
		reply_status(r, 400, "Sec-WebSocket-Version has to be there, once", NULL);
	else if (!http_text_equal(*version, WEBSOCKET_VERSION))
		reply_status(r, 426, "This version of WebSockets is not spoken here", UPGRADE_FIELDS "Sec-WebSocket-Version: " WEBSOCKET_VERSION "\r\n");
	else if (key == NULL || !websocket_key_is_sound(key->at, key->len))
		reply_status(r, 400, "Sec-WebSocket-Key has to be 16 bytes in base64, once", NULL);
	else if (!lists(head, "Sec-WebSocket-Protocol", WEBSOCKET_PROTOCOL, true))
		reply_status(r, 400, "The subprotocol " WEBSOCKET_PROTOCOL " has to be offered", NULL);
	else if (!origin_may(r, l, head))
		reply_refused(r, 403, "This origin is not allowed here", NULL, ERR_FORBIDDEN);
	else if (r->name[0] == '\0' && http_field_find(head, "Authorization") != NULL)
		reply_error(r, ERR_CREDENTIALS);
	else
		return false;
	return true;
}

/* ---- the handing over ---- */

static bool still_holds(const char *name, const void *proof)
{
	return identity_holds(name, proof);
}

static void take_over(void *with, int fd, SSL *tls, const uint8_t *ahead, size_t len)
{
	struct agreement *a = with;
	const struct streams_upgrade u = {
		.listener = a->listener, .fd = fd, .tls = tls, .peer = a->peer, .local = a->local, .host = a->host,
		.name = a->name[0] != '\0' ? a->name : NULL, .ahead = ahead, .ahead_len = len, .answer = (const uint8_t *)a->answer,
		.answer_len = a->answer_len, .proof = a->proof.used ? &a->proof : NULL, .proof_len = sizeof a->proof, .holds = still_holds,
	};

	if (fd >= 0)
		(void)streams_adopt(&u); /* where it has no room, it says so itself */
	free(a);
}

static bool agree(struct http_request *r, const struct http_head *head)
{
	struct agreement *a = calloc(1, sizeof *a);

	if (a == NULL)
		return false;
	a->answer_len = websocket_agreement_write(a->answer, single(head, "Sec-WebSocket-Key")->at);
	if (a->answer_len == 0) {
		free(a);
		return false;
	}
	a->listener = http_connection_slot(r->connection);
	a->peer = r->client;
	a->local = *http_connection_local(r->connection);
	if (!http_host_read(r->host, a->host))
		a->host[0] = '\0';
	memcpy(a->name, r->name, sizeof a->name);
	a->proof = r->proof;
	r->status = 101;
	http_connection_hand_over(r->connection, take_over, a);
	return true;
}

bool upgrade_answer(struct http_request *r, const struct http_head *head)
{
	const struct listener *l = snapshot_listener(r->conf, http_connection_slot(r->connection));

	if (l == NULL || !l->websocket || !http_text_equal(r->target, WEBSOCKET_PATH))
		return false;
	if (!refuse(r, l, head) && !agree(r, head))
		reply_error(r, ERR_OVERLOAD);
	request_finish(r, false);
	return true;
}

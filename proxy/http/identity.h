/*
 * identity - who asks over HTTP, and from where: credentials, the certificate or key of his connection, and what trusted proxies say of him.
 */
#ifndef PROXY_HTTP_IDENTITY_H
#define PROXY_HTTP_IDENTITY_H

#include <stdbool.h>

#include "conf/snapshot.h"
#include "proxy/http/credentials.h"
#include "translate/http_message.h"

struct http_connection;
struct material;

enum { IDENTITY_MAX = 256 }; /* bytes of a name, with its NUL */

/* Takes the credentials of a configuration that comes into force. Returns 0; or -1 with the reason in the log: the old ones stay. */
int identity_renew(const struct snapshot *conf, const struct material *m);
void identity_close(void);

/* Who sent this request: the name that its Authorization field proves; else that of the connection (client certificate, pre-shared key). True
 * if there is one: `name` holds it. A field that proves nothing is nobody, whatever the connection says. *proof: what it was proved by. */
bool identity_of(const struct http_connection *c, const struct http_head *head, char name[IDENTITY_MAX], struct credential_proof *proof);

/* Whether that holds by the credentials now in force; what a connection proved does as long as it lasts. */
bool identity_holds(const char *name, const struct credential_proof *proof);

/* The client's address: the connection's, or behind a trusted proxy of `l` the last one of Forwarded (RFC 7239) or of X-Forwarded-For that
 * is no trusted proxy itself. A port is not known then: 0. False if that cannot be told: both are there and say different things, so that one of
 * them is what a client made up, or a string of Forwarded does not end. */
bool identity_address(const struct listener *l, const struct endpoint *peer, const struct http_head *head, struct endpoint *client)
	__attribute__((warn_unused_result));

#endif

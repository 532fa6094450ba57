/*
 * snapshot - one configuration as it is in force: immutable, shared by all that began under it, counted references.
 *
 * Made by conf_load() from a file, or from a text (a reload sends the text that -T prints). Times are in microseconds,
 * sizes in bytes. Every string and array is owned by the snapshot.
 */
#ifndef CONF_SNAPSHOT_H
#define CONF_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/endpoint.h"
#include "base/log.h"
#include "coap/uri.h"

enum { CONF_LISTENERS_MAX = 64, CONF_SLOTS_MAX = 128, CONF_NO_LISTENER = 255, CONF_ROUTES_MAX = 65536, CONF_TARGETS_MAX = 64, CONF_NAME_MAX = 63 };

struct listener {
	char *name;
	char *url;               /* as written */
	enum uri_scheme scheme;  /* coap, coaps, coap+tcp, coaps+tcp, http or https; coap+ws comes in by http, coaps+ws by https */
	struct endpoint address; /* with port; the unspecified address listens on all */
	bool any;                /* the unspecified address */
	/* the secured ones */
	char *certificate, *key; /* paths of PEM files; "": none */
	char **certificates;     /* more of them, for clients that ask for other names (SNI): "/path/of/certificate /path/of/key" */
	size_t certificate_count;
	char *client_ca;         /* path of the certificates that clients' ones are verified by; "": none is asked for */
	bool client_certificate; /* a client without one is refused in the handshake */
	char *psk_file;          /* path of lines "identity:hexadecimal key"; "": no PSK */
	/* http and https alone */
	bool websocket;          /* takes CoAP over WebSockets (RFC 8323 4) */
	char **websocket_origins; /* of pages that may open one, besides the listener's own; "*": all */
	size_t websocket_origin_count;
	char *public_url;        /* how clients name this listener ("https://gw.example"), or "": by their Host field */
	bool proxy_protocol;     /* each connection begins with a PROXY protocol v2 header */
	struct network *trusted_proxies; /* whose Forwarded, X-Forwarded-For and PROXY header are believed */
	size_t trusted_proxy_count;
	/* all but coap */
	uint64_t keepalive;      /* a session on which nothing comes for so long is asked by a Ping; 0: none is */
	unsigned slot;           /* its number over reloads: a listener that stays keeps it. Its index, if nobody says otherwise */
};

/* A host pattern: "*" any; "*.example" any name below; "name"; a literal; "10.0.0.0/8" literals of a network. */
enum host_kind { HOST_ANY, HOST_SUFFIX, HOST_NAME, HOST_NETWORK };
struct host_pattern {
	enum host_kind kind;
	char *text; /* as written, lower case; for HOST_SUFFIX with its leading '.' , without the '*' */
	struct network network;
};

/* A forward route's allowed target: scheme, host pattern, port (0: the scheme's default only; PORT_ANY: any). */
enum { PORT_ANY = 65536 };
struct target_pattern {
	char *text;
	enum uri_scheme scheme;
	struct host_pattern host;
	uint32_t port;
};

/* A reverse route's origin, or the parent of a `via` route. */
struct origin_conf {
	char *text;
	bool session;            /* "session:NAME": whoever is connected by that name, which is `host`; all but that and `text` says nothing then */
	enum uri_scheme scheme;
	char *host;              /* name or literal without brackets; may carry a zone ("fe80::1%eth0") */
	uint16_t port;
	bool literal;            /* `address` holds it (port set) */
	struct endpoint address;
	char **path;             /* decoded segments put before the request's own; at CoAP servers for plain requests alone */
	size_t path_count;
};

/* A pattern over decoded Uri-Path segments: "*" one segment, a last "**" the rest (also none). */
struct path_pattern {
	char *text;
	char **segments; /* decoded; NULL stands for "*" */
	size_t count;
	bool open; /* ended in "**" */
};

enum origin_choice { ORIGINS_PREFER, ORIGINS_HASH };

/* How a route has its requests logged, and how the log names the OSCORE key of a request (its kid). */
enum access_format { ACCESS_NONE, ACCESS_TEXT, ACCESS_JSON };
enum kid_form { KID_HASHED, KID_PLAIN, KID_NONE };

struct template; /* translate/map_template.h */

/* Security contexts that the reader holds: a provisioning file of them. */
struct context_set {
	char *name;
	char *keys;                /* path of the file, which the reader alone reads */
	uint32_t max_failures;     /* bad tags or signatures after which a context is closed until the next reload; 0: never */
	uint64_t id;               /* opening_set_id() of the name */
	unsigned line;             /* where the path is written */
};

/* Where what is read is told, a line of JSON for each message. */
struct feed {
	char *name;
	char *file;                /* path: appended to; or "" */
	char *socket;              /* path of a Unix stream socket that somebody listens on; or "" */
	uint64_t memory;           /* bytes that wait for its reader in each worker; what is more is lost, and counted */
	unsigned line;             /* where the path is written, or its group */
};

enum { CONF_CONTEXTS_MAX = 64, CONF_READS_MAX = 256, CONF_FEEDS_MAX = 16, CONF_INNER_RULES_MAX = 64 };

/* A rule about what is inside, such as "PUT,POST /firmware" or "* /public" with a path pattern behind it: methods, and the path they are for. */
struct inner_rule {
	char *text;                /* as written */
	uint32_t methods;          /* bit code; 0: all */
	struct path_pattern path;
};

/* How messages are read on the routes that name this. */
struct read_conf {
	char *name;
	struct context_set *contexts; /* one of the snapshot's */
	uint32_t fields;           /* FIELD_BIT()s of oscore/opening.h: what may be read */
	/* Any of the following makes it a gate: a request waits until it is read. Else it is a tap: it leaves first. */
	struct inner_rule *allow;  /* a request must be one of these, if there are any ... */
	size_t allow_count;
	struct inner_rule *deny;   /* ... and none of these */
	size_t deny_count;
	bool verify;               /* it must be genuine; Group OSCORE: its signature must be right, for which no content key is needed */
	uint32_t rate;             /* requests a second of one sender (kid) that pass, 0: any; and so many at once: */
	uint32_t burst;
	/* of gates */
	bool pass_unknown;         /* `unknown-kid = "pass"`: what is of no context known here passes unread */
	uint64_t deadline;         /* how long a request waits: 50 ms */
	uint64_t body_limit;       /* bytes of a message that comes in Outer blocks, which is gathered before it is read; longer ones are refused */
	/* what it is for */
	struct feed *feed;         /* one of the snapshot's, or NULL */
	struct path_pattern *count_paths; /* counters with method and code of each of these paths (the first that matches) */
	size_t count_path_count;
	unsigned slot;             /* where it is counted: by its name, so that it nearly always stays the same over reloads */
	uint64_t id;               /* of its name: whose what is counted there is */
};

struct route {
	char *name;
	unsigned index;            /* place in the file: order is precedence */
	/* conditions; an empty list is no condition */
	uint64_t listeners;        /* bit i: listener i; 0: all */
	struct network *clients;
	size_t client_count;
	struct host_pattern *hosts; /* Uri-Host (or the address asked) of a reverse request */
	size_t host_count;
	uint32_t ports_lo, ports_hi; /* Uri-Port or port asked, of a reverse request; 0,0: any */
	struct path_pattern *paths; /* plain requests only: a route with paths never takes an OSCORE request */
	size_t path_count;
	uint32_t methods;          /* bit code (1 GET .. 7 iPATCH): allowed methods of plain requests; 0: all seven */
	bool require_oscore;
	/* what it does */
	bool deny;                 /* `deny = true`: what matches is refused with 4.03 */
	struct target_pattern *forward_to; /* forward route: requests with Proxy-Uri or Proxy-Scheme */
	size_t forward_count;
	struct origin_conf *to;    /* reverse route: requests without */
	size_t to_count;
	struct origin_conf *via;   /* NULL, or the parent proxy of a forward route */
	enum origin_choice choice;
	size_t strip_path;         /* leading Uri-Path segments taken off a plain request */
	bool keep_host;            /* reverse: the request's Uri-Host goes on instead of the origin's name */
	struct network *allow_networks; /* target addresses that are otherwise refused (loopback, link-local, ...) */
	size_t allow_count;
	/* how */
	uint64_t timeout;          /* unacknowledged, 93 s */
	uint64_t timeout_acknowledged; /* behind an Empty ACK, 247 s */
	uint64_t timeout_http;     /* requests over HTTP, from the first to the last: 452 s */
	bool confirmable;          /* NON requests leave as CON */
	unsigned hop_limit;        /* inserted where absent: 16; 0: not inserted */
	bool echo;                 /* reachability checks of unverified clients: true */
	bool strict_oscore_errors; /* 4.04 5.02 5.04 5.05 become 5.03 for OSCORE requests */
	enum access_format access_log;
	uint32_t client_exchanges; /* at once for one client on this route; 0: the general limit */
	uint32_t exchanges;        /* at once on this route; 0: no limit of its own */
	uint64_t rest;             /* how long a failed origin rests when there are others: 10 s */
	/* sessions */
	uint64_t wait_for_session; /* how long a request waits for the session that it is for: 0 */
	bool return_path;          /* each client has a port of his own towards the origins, at which they can ask him */
	char *origin_identity;     /* of upstream_psk_file, towards secured origins; "": upstream_certificate, or nothing */
	bool coaps_from_http;      /* what comes over HTTP may go to secured CoAP origins (RFC 8075 10.3) */
	/* with HTTP on either side */
	char *http_path;           /* condition: the template of the request target ("/hc/{+tu}"), "": no HTTP request but GET coap://... */
	struct template *http_template; /* it, compiled; NULL without one */
	int default_scheme;        /* enum uri_scheme of targets without one, or -1 */
	bool anonymous;            /* requests over HTTP need no identity */
	char **identities;         /* patterns of the names that may ask; empty: any name */
	size_t identity_count;
	bool loose_media;          /* RFC 8075 6.3 */
	bool coap_payload;         /* application/coap-payload passes in requests (RFC 8075 6.2) */
	bool legacy_header;        /* Object-Security is taken for OSCORE */
	bool query_is_fetch;       /* the HTTP method QUERY is FETCH */
	bool multicast;            /* the targets may be groups */
	char **cors;               /* origins of browsers' pages, or "*" */
	size_t cors_count;
	uint64_t body_limit;       /* bytes of a request's or an answer's body; 0: the general one */
	uint64_t wait_limit;       /* the longest long poll (Prefer: wait) */
	struct read_conf *read;    /* how OSCORE messages are read here: one of the snapshot's; NULL: they are not */
	uint32_t metrics_slot;     /* where it is counted: a route that stays keeps it over reloads. Its index, if nobody says otherwise */
};

struct settings {
	/* limits */
	uint32_t exchanges;        /* at once in all */
	uint32_t client_exchanges; /* at once for one client endpoint */
	uint32_t origin_exchanges; /* at once for one origin, queued ones included */
	uint32_t observations;     /* at once in all */
	uint32_t client_observations;
	uint32_t origins;          /* origin endpoints known at once */
	uint32_t clients;          /* client endpoints known at once */
	uint32_t token_length;     /* longest token accepted of a client */
	uint64_t dedup_memory;
	uint64_t queue_memory;     /* bytes of request and response copies */
	/* upstream */
	uint32_t origin_window;    /* messages in flight to one origin at most */
	uint32_t origin_ports;     /* source ports towards one origin at most: a power of two */
	uint64_t ack_timeout;
	uint32_t ack_random_factor_percent; /* 150 */
	uint32_t max_retransmit;
	uint64_t dns_timeout;
	uint32_t dns_cache;        /* names */
	char *resolv_conf;         /* path */
	char *upstream_psk_file;   /* path of lines "identity:hexadecimal key": ours towards secured CoAP origins; "": none */
	char *upstream_certificate, *upstream_key; /* ours towards secured CoAP origins, PEM; "": none */
	char *upstream_ca;         /* path of the certificates that secured CoAP origins are verified by; "": http_ca */
	uint32_t return_ports;     /* of return paths, at once */
	uint64_t return_lifetime;  /* of a return path without traffic: 24 h */
	/* downstream */
	uint64_t separate_after;   /* an Empty ACK leaves after this: 1 s */
	struct network *trusted;   /* networks whose clients need no reachability check */
	size_t trusted_count;
	uint64_t verified_for;     /* 10 min */
	uint32_t unverified_rate;  /* bytes a second towards each /24 or /48 */
	uint64_t overload_retry;   /* Max-Age of 5.03: 5 s */
	uint32_t receive_buffer;
	char *identity;            /* our name in 5.08 diagnostics (RFC 8768 4): no space */
	bool problem_details;      /* RFC 9290 bodies where the client accepts them */
	/* http */
	uint32_t http_line;        /* bytes of a request line */
	uint32_t http_fields;      /* bytes of a message's fields */
	uint32_t http_field_count;
	uint64_t http_head_timeout; /* from the first byte of a head to its last */
	uint64_t http_body_timeout; /* between two pieces of a body */
	uint64_t http_idle_timeout;
	uint32_t http_connections; /* at once in all */
	uint32_t http_client_connections; /* at once from one client address */
	uint64_t http_body_limit;
	uint64_t http_stall;       /* how long a reader of a body may take nothing */
	uint32_t http_block_threshold; /* bytes of a request's body above which it goes in blocks (RFC 8075 8.3) */
	uint32_t http_block_size;  /* the largest block asked for or sent: a power of two, 16..1024 */
	uint32_t http_accepts;     /* Accept values tried one after another */
	uint64_t http_event_interval; /* between two comments of an event stream */
	uint32_t http_origin_connections; /* to one origin at once, for each worker */
	uint64_t http_origin_idle; /* how long an unused connection to an origin is kept */
	uint64_t http_connect_timeout;
	char *http_credentials;    /* path; "": none */
	char *http_ca;             /* path of the certificates that https origins are verified by */
	/* transports: CoAP over anything but plain datagrams, in all workers together */
	uint32_t transports_message_size; /* the largest message taken over connections, which our CSM says: bytes of options, payload and all */
	uint32_t transports_connections;  /* of clients, at once in all */
	uint32_t transports_client_connections; /* at once from one client address */
	uint64_t transports_idle_timeout; /* of a connection without a message */
	uint64_t transports_csm_timeout;  /* until the peer's first message */
	uint64_t transports_connect_timeout; /* of a connection to an origin, with all handshakes */
	uint32_t transports_sessions;     /* DTLS, of clients, at once in all */
	uint64_t transports_handshake_timeout; /* DTLS */
	uint64_t transports_session_lifetime; /* of a DTLS session without a message */
	uint32_t transports_mtu;          /* bytes of a datagram of a DTLS handshake */
	uint64_t transports_origin_idle;  /* of an unused connection or DTLS session to an origin */
	char *transports_ciphers;         /* OpenSSL's list, for TLS 1.2 and DTLS 1.2 */
	uint32_t transports_security_level; /* OpenSSL's, 0 to 5 */
	/* reader: the process that opens OSCORE messages */
	char *reader_user;         /* its own, another than the workers'; "": the caller's own */
	uint32_t reader_queue;     /* messages of a worker that wait for it */
	/* log */
	enum log_level log_level;
	char *log_file;            /* path; "": standard error */
	char *access_file;         /* path; "": standard output */
	enum kid_form log_kid;
	/* process */
	uint32_t workers;          /* 0: as many as there are processors */
	char *user;                /* the workers'; "": the caller's own */
	uint64_t drain_timeout;
	uint64_t watchdog;
	uint64_t crossing_memory;  /* bytes of each ring between two workers */
};

/* A file that the configuration names and workers want: the parent reads it for them. */
enum conf_file_kind {
	CONF_FILE_CERTIFICATE, CONF_FILE_KEY, CONF_FILE_CLIENT_CA, CONF_FILE_PSK, CONF_FILE_CREDENTIALS, CONF_FILE_AUTHORITIES, CONF_FILE_KINDS
};
struct conf_file {
	enum conf_file_kind kind;
	const char *path;
	const char *setting; /* "listeners.web.key" */
	unsigned line;       /* where it is written, or its group */
	const struct listener *listener; /* or NULL */
};
enum { CONF_FILES_MAX = 512 };

struct snapshot {
	struct settings settings;
	struct conf_file *files; /* in the order of listeners; those for origins only where there are any that are secured */
	size_t file_count;
	bool asks_secured;       /* there are origins or targets of secured CoAP: coaps, coaps+tcp, coaps+ws */
	struct listener *listeners;
	size_t listener_count;
	struct context_set *contexts;
	size_t context_count;
	struct feed *feeds;
	size_t feed_count;
	struct read_conf *reads;
	size_t read_count;
	struct route *routes;
	size_t route_count;
	uint8_t listener_of_slot[CONF_SLOTS_MAX]; /* index, or CONF_NO_LISTENER */
	unsigned references;
};

/* Reads the configuration; `name` is used in messages. Writes every error of the file to `errors`, one line each:
 * "file:line: text". Returns a snapshot with one reference (the caller's), or NULL if there was any error. */
struct snapshot *conf_load_file(const char *path, FILE *errors) __attribute__((warn_unused_result));
struct snapshot *conf_load_text(const char *text, const char *name, FILE *errors) __attribute__((warn_unused_result));

/* Gives the listeners and routes their numbers over reloads: an element each (listeners below CONF_SLOTS_MAX, none twice; routes below
 * CONF_ROUTES_MAX). Before anybody else has the snapshot. */
void snapshot_place(struct snapshot *s, const uint8_t *listener_slots, const uint32_t *route_slots);

/* The listener at a slot, or NULL if this configuration has none there. */
const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot);

/* By what scheme CoAP comes in by a listener, an enum uri_scheme: its own, or what begins as HTTP there (RFC 8323 8.3, 8.4); -1: none does. */
int listener_coap_scheme(const struct listener *l);

struct snapshot *snapshot_keep(struct snapshot *s);
void snapshot_release(struct snapshot *s); /* frees with the last reference; accepts NULL */

/* Requests wait until they are read; else a read is a tap. */
static inline bool conf_read_is_gate(const struct read_conf *r)
{
	return r->allow_count > 0 || r->deny_count > 0 || r->verify || r->rate > 0;
}

/* Writes the effective configuration, every setting with its value, as a text that conf_load_text() takes and that prints
 * the same again (-T). */
void snapshot_print(const struct snapshot *s, FILE *out);

/* The full name of a setting that is fixed until restart and whose value is not the same in both, or NULL: a reload may not bring it.
 * The text holds until the next call. */
const char *conf_fixed_difference(const struct snapshot *now, const struct snapshot *next);

/* Writes the option part of the man page (mdoc) from the schema. */
void conf_print_manual(FILE *out);

#endif

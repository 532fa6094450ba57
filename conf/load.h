/*
 * load - what the steps of loading one configuration share: where things go, and what was found wrong.
 *
 * Private to conf/: snapshot.c parses the file, tree.c walks through it, read.c takes the values, check.c looks at them together, files.c lists what else is read.
 */
#ifndef CONF_LOAD_H
#define CONF_LOAD_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/arena.h"
#include "conf/grammar.h"
#include "conf/members.h"
#include "conf/snapshot.h"

struct complaint;

struct conf_loader {
	struct arena *arena; /* the snapshot's */
	struct snapshot *snapshot;
	const char *name;    /* of the file */
	struct members members[GROUP_COUNT];     /* names of listeners, routes and others, where they were taken before parsing */
	const config_setting_t *root;            /* of the file */
	const config_setting_t **named[GROUP_COUNT]; /* where each listener, route or other came from, by index */
	struct complaint *complaints; /* from malloc */
	size_t complaint_count, complaint_room;
	bool failed;
};

/* Notes an error, or a warning, about a line of the file; they are written in the order of lines in the end. */
void conf_complain(struct conf_loader *l, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void conf_warn(struct conf_loader *l, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The line of a member of a group, or of the group where it is not written. */
unsigned conf_line_of(const config_setting_t *group, const char *name);
/* The same by the name of the group; 1 where that is not written. */
unsigned conf_line_in(const struct conf_loader *l, const char *group, const char *name);

/* Takes everything that stands in l->root into l->snapshot, and looks at it. */
void conf_read_tree(struct conf_loader *l);

/* The member of a group of named ones that was read under a name, or NULL; its index. */
void *conf_member_find(const struct conf_loader *l, enum conf_group group, const char *name, size_t *index);
/* The name most like one that is not there, copied to out, or NULL. */
const char *conf_member_nearest(const struct conf_loader *l, enum conf_group group, const char *name, char out[CONF_WORD_MAX]);

/* Sets every field of `object` (struct settings, or a route) that belongs to the group to its default. */
void conf_read_defaults(struct conf_loader *l, enum conf_group group, void *object);

/* Takes one written setting into its field; complains if it is not what the row wants. `path` names the group. */
void conf_read_setting(struct conf_loader *l, const struct conf_row *row, const config_setting_t *setting, const char *path,
	void *object);

/* An error in one setting of a route. */
void conf_complain_route(struct conf_loader *l, const struct route *r, const char *key, const char *text);

/* CoAP, by whatever it is carried; the others are HTTP. */
static inline bool conf_is_coap(enum uri_scheme scheme)
{
	return scheme != URI_HTTP && scheme != URI_HTTPS;
}

static inline bool conf_is_secured_coap(enum uri_scheme scheme)
{
	return conf_is_coap(scheme) && uri_schemes[scheme].secure;
}

/* Looks at what no single setting shows. Parts of it: listeners; what HTTP wants; sessions, their names and keys; reading. */
void conf_check(struct conf_loader *l);
void conf_check_listeners(struct conf_loader *l);
void conf_check_http(struct conf_loader *l);
void conf_check_sessions(struct conf_loader *l);
void conf_check_reading(struct conf_loader *l);

/* Lists the files that are read for the workers, and whether there are secured CoAP origins. */
void conf_list_files(struct conf_loader *l);

#endif

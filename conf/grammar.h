/*
 * grammar - the schema of the configuration: one row for each setting, from which loading, printing, the nearest known
 * name and the manual are all made.
 */
#ifndef CONF_GRAMMAR_H
#define CONF_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The groups of a file, in the order in which they are printed. */
enum conf_group {
	GROUP_LISTENERS, GROUP_LIMITS, GROUP_UPSTREAM, GROUP_DOWNSTREAM, GROUP_HTTP, GROUP_TRANSPORTS, GROUP_READER, GROUP_LOG, GROUP_PROCESS,
	GROUP_CONTEXTS, GROUP_FEEDS, GROUP_READS, GROUP_ROUTES,
	GROUP_COUNT
};

struct conf_group_row {
	const char *name;
	const char *doc;
	/* Of groups that hold groups of settings with names of the user's choice: listeners, routes. What such a one is called, or NULL: */
	const char *member;
	size_t element;              /* size of its struct, in which the name stands first */
	size_t array, count_offset;  /* in struct snapshot: a pointer, and a size_t */
	size_t max;                  /* how many there may be */
};
extern const struct conf_group_row conf_groups[GROUP_COUNT];

/* How a value is written, and the type of its field. */
enum conf_type {
	TYPE_BOOL,      /* bool */
	TYPE_COUNT,     /* any unsigned type */
	TYPE_AUTO,      /* the same; 0 for "auto" */
	TYPE_DURATION,  /* uint64_t microseconds */
	TYPE_SIZE,      /* uint32_t or uint64_t bytes */
	TYPE_FACTOR,    /* uint32_t hundredths */
	TYPE_CHOICE,    /* an enum or bool: the place of the word in `choices` */
	TYPE_STRING,    /* char * */
	TYPE_URL,       /* struct listener, as a whole */
	TYPE_PORTS,     /* two uint32_t: lowest, highest; 0, 0 for any */
	TYPE_LISTENERS, /* uint64_t of bits */
	TYPE_METHODS,   /* uint32_t of bits; 0 for all seven */
	TYPE_REQUIRE,   /* bool: "oscore" is in the list */
	TYPE_ORIGIN,    /* struct origin_conf *, or NULL for "" */
	TYPE_SCHEME,    /* int: enum uri_scheme, or -1 for "" */
	TYPE_TEMPLATE,  /* struct route: http_path and http_template */
	TYPE_MEMBER,    /* a pointer to the member of that name of the row's group `of`, which is read before; or NULL for "" */
	TYPE_FIELDS,    /* uint32_t of FIELD_BIT()s */
	/* lists: a pointer, and a size_t at `count_offset` */
	TYPE_NETWORKS, TYPE_HOSTS, TYPE_PATHS, TYPE_TARGETS, TYPE_ORIGINS, TYPE_RULES,
	TYPE_TEXTS      /* of char *; the row's check is for each */
};

struct conf_row {
	enum conf_group group;
	const char *name;
	enum conf_type type;
	size_t offset, width; /* of the field in struct settings, or in that of the group's members */
	size_t count_offset;
	enum conf_group of;   /* TYPE_MEMBER */
	uint64_t min, max;    /* of numbers, in the field's unit; of strings: their length */
	const char *fallback; /* the default as it would be written; lists: words with spaces; NULL: the setting is required */
	const char *choices;  /* words with spaces */
	const char *why;      /* where the range comes from, or NULL */
	bool fixed;           /* a reload may not change it: conf_fixed_difference() */
	const char *(*check)(const void *field); /* NULL, or what is wrong with the value */
	const char *doc;
};

extern const struct conf_row conf_rows[];
extern const size_t conf_row_count;

/* The row of a setting, or NULL. */
const struct conf_row *conf_row_find(enum conf_group group, const char *name);

/* The known name that a writer most likely meant, or NULL if none is near. */
const char *conf_row_nearest(enum conf_group group, const char *name);
/* The same for the groups of a file. */
const char *conf_group_nearest(const char *name);
/* The same for the words of a list with spaces, copied to out. */
enum { CONF_WORD_MAX = 64 }; /* a name and its NUL */
const char *conf_word_nearest(const char *words, const char *name, char out[CONF_WORD_MAX]);

/* The place of `text` among words with spaces, or -1. */
int conf_word_index(const char *words, const char *text);
/* The word at a place, copied to out; "" if there is none. */
const char *conf_word_at(const char *words, unsigned index, char out[CONF_WORD_MAX]);

/* GET to iPATCH in the order of their codes, 1 to 7. */
extern const char conf_methods[];

#endif

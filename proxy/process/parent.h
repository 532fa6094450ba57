/*
 * parent - the process that is started: reads the configuration, keeps every socket and what outlives a worker, starts the workers,
 * watches and replaces them. It reads nothing that comes from the network.
 *
 * This header is for the files of the parent alone: parent.c (signals and phases), workers.c (the workers as the parent sees them),
 * reader.c (the reader likewise), reload.c and steer.c.
 */
#ifndef PROXY_PROCESS_PARENT_H
#define PROXY_PROCESS_PARENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/snapshot.h"
#include "proxy/exchange/house.h"
#include "proxy/process/activation.h"
#include "proxy/process/channel.h"
#include "proxy/process/groups.h"
#include "proxy/process/privileges.h"
#include "proxy/process/reader_files.h"
#include "proxy/process/route_counts.h"

struct event;
struct event_base;
struct parent;

enum parent_phase {
	PARENT_STARTING, /* until every worker was ready once */
	PARENT_SERVING,
	PARENT_DRAINING, /* workers begin nothing new */
	PARENT_STOPPING, /* workers end */
};

enum { PARENT_SIGNALS = 6 };

/* A worker's place; whoever fills it is called by its number. */
struct place {
	struct parent *parent;
	unsigned number;
	pid_t pid;               /* 0: nobody */
	int channel;             /* -1: closed */
	struct event *readable;
	struct event *again;     /* starts the next one after a while; ends the count of early deaths when one has lived long enough */
	bool ready, drained;
	bool answered;           /* to what reload.c has asked last */
	unsigned early_deaths;   /* in a row */
	uint64_t heartbeat;      /* as last seen */
	unsigned still;          /* looks without one */
	int duplicates_fd;       /* its table, whoever fills the place */
};

enum reader_state {
	READER_ABSENT,   /* none is wanted, or it is not time for the next yet */
	READER_STARTING, /* it prepares what it is to serve with */
	READER_SERVING,
};

/* Where the reader is, if there is one (reader.c). */
struct reader_place {
	enum reader_state state;
	int program;             /* descriptor of it; -1: it is not there */
	pid_t pid;               /* 0: nobody */
	pid_t leaving;           /* one that was hung up on, until it has ended; 0: nobody */
	int control;             /* -1: closed */
	struct event *readable;
	struct event *again;     /* starts the next one after a while; ends the count of early deaths when one has lived long enough */
	struct event *patience, *farewell; /* how long it may take to prepare, and to leave */
	uint32_t asked;          /* the number of what it prepares, or has prepared last */
	bool ready, prepared;    /* it is confined; it has prepared that */
	bool attempt;            /* that is of a reload */
	unsigned early_deaths;   /* in a row */
	struct reader_files files, next; /* of the configuration in force, and of an attempt */
	struct privileges_user user;
	bool has_user;           /* it becomes `user` */
	bool is_looked_up;       /* the user */
};

/* Descriptors of the two logs; -1: none. */
struct parent_logs {
	int log, access;
};

enum reload_state { RELOAD_IDLE, RELOAD_PREPARING, RELOAD_COMMITTING };

struct parent {
	const char *path;        /* of the configuration */
	struct event_base *base;
	struct event *signals[PARENT_SIGNALS], *watch, *deadline, *manager;
	enum parent_phase phase;
	int status;              /* of the exit */
	bool end;
	uint64_t drained_by;     /* by the clock */

	struct snapshot *conf;   /* in force */
	uint32_t generation;     /* counts the configurations that were in force: from 1 */
	int package_fd;          /* of conf */
	struct groups groups;
	struct activation activation;
	uint32_t routes_placed;  /* route slots ever used (reload.c) */
	struct route_counts route_counts;
	struct feed_ends *feeds; /* feeds.c; NULL where there never were any */

	struct {
		enum reload_state state;
		bool again;          /* once more when this one is over, or when every worker is ready */
		uint32_t asked;      /* the number of the attempt */
		struct snapshot *next;
		int package_fd;
		struct parent_logs logs; /* of next, where it has other files than conf */
	} reload;

	struct privileges privileges;
	struct privileges_user user;
	bool has_user;           /* workers become `user` */
	struct parent_logs logs;

	struct house house;
	int house_fd;
	struct place places[HOUSE_WORKERS_MAX];
	unsigned count;
	struct reader_place reader;
};

/* Runs the gateway under a configuration (borrowed) read from `path` until a signal ends it. steer_path: where the test build takes
 * commands, else NULL. Returns the exit status. */
int parent_run(struct snapshot *conf, const char *path, const char *steer_path);

/* One turn of the loop: waits for something and handles it. */
void parent_turn(struct parent *p);

/* Begins the orderly end; the second time the end at once. */
void parent_drain(struct parent *p);
void parent_stop(struct parent *p);

/* Opens the files of both logs as settings have them. Returns 0, or -1 with the reason in the log and none open. */
int parent_open_logs(const struct settings *s, struct parent_logs *out);

/* Closes them; standard output and error stay open. */
void parent_close_logs(struct parent_logs *logs);

/* Takes them in the place of those in use, which are closed, and gives them to the workers. */
void parent_use_logs(struct parent *p, const struct parent_logs *logs);

/* Lines of errors and warnings ("file:line: warning: text") go to the log. The text is cut up, and may be NULL. */
void parent_log_lines(char *text);

/* Told by reader.c: it serves, for the first time or again; one has ended, or cannot take what is in force. */
void parent_reader_settled(struct parent *p);
void parent_reader_ended(struct parent *p);

/* Told by workers.c. */
void parent_worker_said(struct parent *p, struct place *place, const struct channel_message *m);
void parent_worker_ended(struct parent *p, struct place *place, bool failed);

#endif

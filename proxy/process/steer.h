/*
 * steer - a test's hold on the test build: it moves the clock of all processes, asks for counters, makes the network lossy. The product
 * binary links steer_none.c, which does nothing.
 *
 * The parent takes the commands and has the workers carry them out (steer_worker.h), one after the other: when a command is answered,
 * all that it led to has happened.
 */
#ifndef PROXY_PROCESS_STEER_H
#define PROXY_PROCESS_STEER_H

struct channel_message;
struct parent;
struct place;

/* Takes commands at a Unix stream socket at `path` (NULL: none). Returns 0 or -1. */
int steer_open(struct parent *p, const char *path);
/* Obeys the commands that have come; between turns of the loop. */
void steer_obey(void);
void steer_close(void);

/* A worker has done what it was told. */
void steer_worker_said(struct parent *p, struct place *place, const struct channel_message *m);

/* The environment of a worker: none, but in the test build what changes how a sanitizer or the source of chance behaves. */
char **steer_environment(void);

#endif

/*
 * steer - a test's hold on the test build: it moves the clock, asks for counters, makes the network lossy. The product
 * binary links steer_none.c, which does nothing.
 */
#ifndef PROXY_PROCESS_STEER_H
#define PROXY_PROCESS_STEER_H

struct worker;

/* Takes commands at a Unix stream socket at `path` (NULL: none). Returns 0 or -1. */
int steer_open(struct worker *w, const char *path);
/* Obeys the commands that have come; between turns of the loop. */
void steer_obey(void);
void steer_close(void);

#endif

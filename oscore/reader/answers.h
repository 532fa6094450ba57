/*
 * answers - the workers' ends: packets of questions come, and what was answered goes back together, at once when no more are waiting.
 *
 * Nobody is waited for: answers that find no room because their worker does not read are lost, and counted. Packets of a worker that is not
 * understood are dropped from where they are not (oscore/opening.h); none can make this process keep anything.
 */
#ifndef OSCORE_READER_ANSWERS_H
#define OSCORE_READER_ANSWERS_H

#include "oscore/reader/open.h"

enum {
	ANSWERS_WORKERS_MAX = 64, /* at least as many as a parent starts */
	ANSWERS_A_TURN = 256,     /* and the rest of a packet: to one worker, so that none keeps the others and the parent waiting */
	ANSWERS_TOGETHER = 64,    /* that wait for each other, where questions wait: each costs some of a microsecond, and sending more than that */
};

/* Takes a worker's end (non-blocking, SOCK_SEQPACKET) in place of the one it had; `loop` is the epoll descriptor on which it is waited for, with its
 * number as data. Closes it and returns -1 if the number is too high or the loop does not take it. */
int answers_take_worker(int loop, uint64_t number, int fd);

/* Answers what waits at a worker's end, about ANSWERS_A_TURN questions. An end whose other side is gone is closed. */
void answers_turn(struct opener *o, uint64_t number);

/* Logs what was done in all. */
void answers_report(void);

#endif

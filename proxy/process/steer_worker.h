/*
 * steer_worker - a worker's part in steering the test build (see steer.h).
 */
#ifndef PROXY_PROCESS_STEER_WORKER_H
#define PROXY_PROCESS_STEER_WORKER_H

struct channel_message;
struct worker;

/* What CHANNEL_STEER and CHANNEL_STEERED carry. */
enum { STEER_TIME };                                      /* numbers of a command: "at" */
enum { STEERED_WORKED, STEERED_NEXT, STEERED_RELEASE };   /* numbers of its answer, but for "state" */
enum { STATE_EXCHANGES, STATE_OBSERVATIONS, STATE_DELIVERIES, STATE_ORIGINS, STATE_CLIENTS, STATE_DUPLICATES, STATE_BUFFERS, STATE_COUNT };

/* Obeys a command of the parent and answers it; between turns of the loop. Ends the worker in the product. */
void steer_worker_obey(struct worker *w, const struct channel_message *m);

#endif

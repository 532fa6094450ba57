/*
 * datagrams - the two system calls of the datagram edge, apart, so that the test build can put a lossy network in between.
 */
#ifndef PROXY_EDGE_DATAGRAMS_H
#define PROXY_EDGE_DATAGRAMS_H

#include <stdbool.h>
#include <sys/socket.h>

/* As recvmmsg(2) without blocking. */
int datagrams_receive(int fd, struct mmsghdr *messages, unsigned count, bool upstream);

/* As sendmmsg(2) without blocking. */
int datagrams_send(int fd, struct mmsghdr *messages, unsigned count, bool upstream);

#endif

/*
 * packets - structs with descriptors, over a socket pair that keeps messages apart (SOCK_SEQPACKET): what the processes of the gateway say to
 * each other. What a message means, and which may come, is its users' (proxy/process/channel.h, oscore/reader/control.h).
 */
#ifndef BASE_PACKETS_H
#define BASE_PACKETS_H

#include <stddef.h>

enum { PACKET_DESCRIPTORS_MAX = 253 }; /* the kernel's limit for one message */

struct packet_descriptors {
	int fds[PACKET_DESCRIPTORS_MAX];
	unsigned count;
};

/* A pair of ends, both close-on-exec, neither blocks, with room for a start at which many messages wait. Returns 0, or -1 with errno. */
int packets_open(int ends[2]);

/* Sends a message with count descriptors (borrowed). Returns 0, or -1 with errno: EAGAIN if the other side does not read. */
int packets_send(int end, const void *bytes, size_t len, const int *fds, unsigned count);

/* Receives a message of exactly len bytes. Descriptors are the caller's to close. Returns 1, 0 if none is there, or -1 with none left open:
 * the other side is gone (errno 0), or what came has another length (errno EPROTO). */
int packets_receive(int end, void *bytes, size_t len, struct packet_descriptors *got);

void packets_close_all(struct packet_descriptors *got);

#endif

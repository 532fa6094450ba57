/*
 * activation - sockets that the service manager holds for us and hands over at start: those of a socket unit, and those that
 * we asked it to keep over a restart (LISTEN_FDS of sd_listen_fds(3)).
 *
 * Order of use, in the parent: activation_take() before anything else opens a descriptor; activation_claim() for each
 * listener as often as it has workers, binding the rest of the group only when it says -1; activation_close_rest() when every
 * listener has its group. A claimed descriptor is its taker's; it is bound, close-on-exec, non-blocking and may share its
 * address with others (SO_REUSEPORT), but buffers, the options of the edge and listen() are the taker's to do.
 */
#ifndef PROXY_PROCESS_ACTIVATION_H
#define PROXY_PROCESS_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/endpoint.h"

enum {
	ACTIVATION_MAX = 64 * 64, /* listeners times workers */
	ACTIVATION_FD_MIN = 16,   /* descriptors below are left to the process itself */
	ACTIVATION_NAME_MAX = 64,
};

/* One descriptor that waits to be claimed. */
struct activation_socket {
	int fd; /* -1: claimed or closed */
	int family;
	bool stream; /* TCP, else UDP */
	bool claimed;
	struct endpoint at;
	ino_t inode;                    /* the socket's identity, the same in every process */
	char name[ACTIVATION_NAME_MAX]; /* printable, cut */
};

struct activation {
	struct activation_socket *sockets;
	size_t count;
};

/* Fills *a from LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES and takes them out of the environment. Descriptors that are no
 * bound and unconnected UDP or TCP socket of IPv4 or IPv6 are closed with a warning, the second one of the same socket without.
 * Returns the number of sockets taken, 0 if none were passed to this process, or -1 with the reason in the log if a value
 * makes no sense, more than ACTIVATION_MAX were passed or memory is out. Then nothing was touched and the process should not
 * go on: descriptors it does not know would stay open. */
int activation_take(struct activation *a);

/* The next socket in the order of its passing that is bound to this address, port and, if link-local, interface; [::] and
 * 0.0.0.0 are different addresses. Returns the descriptor, which the caller then owns, or -1. */
int activation_claim(struct activation *a, bool stream, const struct endpoint *address);

/* Closes what nobody claimed, with a warning each, makes the manager forget those of them that we had stored, and frees *a.
 * Returns how many the manager goes on holding although others of their address were claimed: a socket unit has more sockets
 * for that listener than there are workers, and what the kernel gives to those is never read. */
size_t activation_close_rest(struct activation *a);

/* Asks the manager to keep a socket that we bound ourselves, so that it comes back in LISTEN_FDS at the next start; to be
 * called once the socket is bound, for as many as FileDescriptorStoreMax= allows. Storing a socket that the manager has
 * already changes nothing. Borrows fd. Returns 0, also without a manager, or -1 with errno. */
int activation_store(int fd);

/* Makes the manager forget a stored socket; to be called before the last descriptor of a removed listener is closed, or its
 * port stays bound. Harmless for one that was not stored. Returns as activation_store() does. */
int activation_forget(int fd);

#endif

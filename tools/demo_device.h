/*
 * demo_device - a small CoAP device: GET /temperature and /.well-known/core, plain or under OSCORE's demo context.
 */
#ifndef TOOLS_DEMO_DEVICE_H
#define TOOLS_DEMO_DEVICE_H

#include <stdbool.h>

#include "base/endpoint.h"

/* Serves until SIGINT or SIGTERM. Prints "ready on ADDRESS:PORT" once it can be asked. Returns the exit status. */
int demo_device_run(const struct endpoint *bind_to, bool trace);

#endif

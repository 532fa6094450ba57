/*
 * material - the bytes of the files that the configuration names: certificates, keys, pre-shared keys, credentials. The parent
 * reads them, workers get them in their package and find them by path.
 */
#ifndef PROXY_HTTP_MATERIAL_H
#define PROXY_HTTP_MATERIAL_H

#include <stddef.h>
#include <stdint.h>

#include "conf/snapshot.h"

enum {
	MATERIAL_FILE_MAX = 16 << 20, /* bytes of one: 100,000 lines of keys */
	MATERIAL_PATH_MAX = 4096,
};

/* Paths and bytes are views of what is owned elsewhere. Bytes are followed by a NUL that does not count. */
struct material_file {
	const char *path;
	const uint8_t *bytes;
	size_t len;
};

struct material {
	size_t count;
	struct material_file files[CONF_FILES_MAX];
};

/* Finds a file by the path that the configuration has. Returns NULL if it is not there ("" never is). */
const struct material_file *material_find(const struct material *m, const char *path);

/* Adds one. Returns 0, or -1 if there is no room. */
int material_add(struct material *m, const char *path, const uint8_t *bytes, size_t len);

/* What belongs to the configuration in force in this process: set when that comes into force, borrowed (NULL: nothing). Empty before. Who keeps
 * something of it for longer than a turn copies it. */
void material_use(const struct material *m);
const struct material *material_in_force(void);

#endif

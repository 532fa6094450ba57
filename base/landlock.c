#include "base/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sanitized.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { VERSION_ASKED = 1 }; /* LANDLOCK_CREATE_RULESET_VERSION */

/* As of version 6. */
struct attributes {
	uint64_t files, network, scoped;
};

static const struct right {
	int version;
	size_t size; /* of the struct that this version takes */
	struct attributes denied; /* since the one before */
} rights[] = {
	{ 1, 8, { .files = 0x1fff } },   /* execute, read, write, list, remove, make */
	{ 2, 8, { .files = 0x2000 } },   /* link and rename across directories */
	{ 3, 8, { .files = 0x4000 } },   /* truncate */
	{ 4, 16, { .network = 0x3 } },   /* bind and connect TCP */
	{ 5, 16, { .files = 0x8000 } },  /* ioctl on devices */
	{ 6, 24, { .scoped = 0x3 } },    /* abstract sockets and signals of others */
};

int landlock_version(const char **missing)
{
	long version;

	*missing = "left out of a build with sanitizers";
	if (SANITIZED)
		return 0;
	version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, VERSION_ASKED);
	*missing = version > 0 ? NULL : errno == EOPNOTSUPP ? "switched off in this kernel" : "not in this kernel";
	return version > 0 ? (int)version : 0;
}

int landlock_deny(int version, bool network)
{
	struct attributes a = { .files = 0 };
	size_t size = 0;
	int rules, status;

	for (size_t i = 0; i < COUNT(rights) && rights[i].version <= version; i++) {
		a.files |= rights[i].denied.files;
		a.network |= network ? rights[i].denied.network : 0;
		a.scoped |= rights[i].denied.scoped;
		size = rights[i].size;
	}
	rules = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	if (rules < 0)
		return -1;
	status = (int)syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
	return status;
}

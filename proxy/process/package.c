#include "proxy/process/package.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "proxy/edge/own_addresses.h"
#include "proxy/exchange/resolve_files.h"

enum { ALIGNMENT = 8, WRITE_BUFFER = 16384 };
#define MAGIC UINT64_C(0x7061636b61676531)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* The beginning of the memfd. */
struct header {
	uint64_t magic;
	struct {
		uint64_t offset, len;
	} parts[PACKAGE_PARTS];
};

/* In front of each of the files, whose path and bytes follow, a NUL behind each. */
struct file_header {
	uint32_t path_len, len;
};

static const struct {
	bool text;
	size_t element;
} part_rules[PACKAGE_PARTS] = {
	[PACKAGE_CONFIGURATION] = { true, 1 },
	[PACKAGE_RESOLV_CONF] = { true, 1 },
	[PACKAGE_HOSTS] = { true, 1 },
	[PACKAGE_OWN_ADDRESSES] = { false, sizeof(struct endpoint) },
	[PACKAGE_LISTENER_SLOTS] = { false, sizeof(uint8_t) },
	[PACKAGE_ROUTE_SLOTS] = { false, sizeof(uint32_t) },
	[PACKAGE_FILES] = { false, 1 },
};

/* ---- writing ---- */

static void write_files(FILE *out, const struct material *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct material_file *f = &m->files[i];
		const struct file_header h = { (uint32_t)strlen(f->path), (uint32_t)f->len };

		fwrite(&h, sizeof h, 1, out);
		fwrite(f->path, 1, h.path_len + (size_t)1, out);
		fwrite(f->bytes, 1, f->len, out);
		fputc('\0', out);
	}
}

/* What a package is written from. */
struct sources {
	const struct snapshot *conf;
	const struct resolve_files *resolve;
	const struct material *material;
};

static void write_part(FILE *out, enum package_part part, const struct sources *from)
{
	const struct snapshot *conf = from->conf;
	const struct resolve_files *files = from->resolve;
	struct endpoint *addresses;
	size_t count;

	switch (part) {
	case PACKAGE_CONFIGURATION:
		snapshot_print(conf, out);
		break;
	case PACKAGE_RESOLV_CONF:
		fwrite(files->resolv_conf, 1, files->resolv_conf_len, out);
		break;
	case PACKAGE_HOSTS:
		fwrite(files->hosts, 1, files->hosts_len, out);
		break;
	case PACKAGE_OWN_ADDRESSES:
		count = own_addresses_read(&addresses);
		fwrite(addresses, sizeof *addresses, count, out);
		free(addresses);
		break;
	case PACKAGE_LISTENER_SLOTS:
		for (size_t i = 0; i < conf->listener_count; i++)
			fputc((int)conf->listeners[i].slot, out);
		break;
	case PACKAGE_ROUTE_SLOTS:
		for (size_t i = 0; i < conf->route_count; i++)
			fwrite(&conf->routes[i].metrics_slot, sizeof conf->routes[i].metrics_slot, 1, out);
		break;
	case PACKAGE_FILES:
		write_files(out, from->material);
		break;
	case PACKAGE_PARTS:
		break;
	}
}

static int write_all(FILE *out, const struct sources *from)
{
	struct header h = { .magic = MAGIC };

	if (fwrite(&h, sizeof h, 1, out) != 1)
		return -1;
	for (int i = 0; i < PACKAGE_PARTS; i++) {
		long at = ftell(out), end;

		write_part(out, (enum package_part)i, from);
		end = ftell(out);
		if (at < 0 || end < at)
			return -1;
		h.parts[i].offset = (uint64_t)at;
		h.parts[i].len = (uint64_t)(end - at);
		do
			fputc('\0', out); /* ends a text, fills up the rest */
		while (++end % ALIGNMENT != 0);
	}
	if (fseek(out, 0, SEEK_SET) != 0 || fwrite(&h, sizeof h, 1, out) != 1 || fflush(out) != 0)
		return -1;
	return ferror(out) ? -1 : 0;
}

/* Returns 0, or -1 with errno. */
static int write_to(int fd, const struct snapshot *conf, const struct material *material)
{
	static char buffer[WRITE_BUFFER]; /* keys pass through it */
	struct resolve_files_text texts;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), result = -1;
	FILE *out = copy >= 0 ? fdopen(copy, "w") : NULL;

	if (out == NULL) {
		if (copy >= 0)
			close(copy);
		return -1;
	}
	setvbuf(out, buffer, _IOFBF, sizeof buffer);
	if (resolve_files_read(conf->settings.resolv_conf, RESOLVE_HOSTS_PATH, &texts) == 0) {
		result = write_all(out, &(struct sources){ conf, &texts.files, material });
		resolve_files_free(&texts);
	}
	if (fclose(out) != 0)
		result = -1;
	explicit_bzero(buffer, sizeof buffer);
	return result;
}

int package_write(const struct snapshot *conf, const struct material *files)
{
	int fd = memfd_create("package", MFD_CLOEXEC | MFD_ALLOW_SEALING), error;

	if (fd < 0)
		return -1;
	if (write_to(fd, conf, files) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* ---- reading ---- */

static bool part_is_good(const struct package *p, enum package_part part, uint64_t offset, uint64_t len)
{
	size_t element = part_rules[part].element;

	if (offset < sizeof(struct header) || offset % ALIGNMENT != 0 || offset >= p->mapped || len >= p->mapped - offset)
		return false;
	if (len % element != 0)
		return false;
	return !part_rules[part].text || ((const char *)p->mapping)[offset + len] == '\0';
}

/* Every length is looked at; the NULs make the paths strings. */
static int read_files(struct package *p)
{
	struct reader r;

	reader_init(&r, p->parts[PACKAGE_FILES].bytes, p->parts[PACKAGE_FILES].len);
	while (reader_left(&r) > 0) {
		struct file_header h = { 0 };
		const uint8_t *head = reader_bytes(&r, sizeof h), *path, *bytes;

		if (head != NULL)
			memcpy(&h, head, sizeof h);
		if (h.path_len > MATERIAL_PATH_MAX || h.len > MATERIAL_FILE_MAX)
			return -1;
		path = reader_bytes(&r, h.path_len + (size_t)1);
		bytes = reader_bytes(&r, h.len + (size_t)1);
		if (r.failed || path[h.path_len] != '\0' || bytes[h.len] != '\0')
			return -1;
		if (material_add(&p->material, (const char *)path, bytes, h.len) < 0)
			return -1;
	}
	return 0;
}

int package_read(struct package *p, int fd)
{
	struct stat st;
	struct header h;

	*p = (struct package){ .mapping = NULL };
	if ((fcntl(fd, F_GET_SEALS) & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof h)
		return -1;
	p->mapped = (size_t)st.st_size;
	p->mapping = mmap(NULL, p->mapped, PROT_READ, MAP_SHARED, fd, 0);
	if (p->mapping == MAP_FAILED) {
		p->mapping = NULL;
		return -1;
	}
	madvise(p->mapping, p->mapped, MADV_DONTDUMP);
	memcpy(&h, p->mapping, sizeof h);
	for (int i = 0; i < PACKAGE_PARTS; i++) {
		if (h.magic != MAGIC || !part_is_good(p, (enum package_part)i, h.parts[i].offset, h.parts[i].len)) {
			package_close(p);
			return -1;
		}
		p->parts[i].bytes = (const char *)p->mapping + h.parts[i].offset;
		p->parts[i].len = (size_t)h.parts[i].len;
	}
	if (read_files(p) == 0)
		return 0;
	package_close(p);
	return -1;
}

void package_close(struct package *p)
{
	if (p->mapping != NULL)
		munmap(p->mapping, p->mapped);
	*p = (struct package){ .mapping = NULL };
}

/* The slots must fit what was parsed, and be slots. */
static bool slots_are_good(const struct package *p, const struct snapshot *conf)
{
	const uint8_t *listeners = p->parts[PACKAGE_LISTENER_SLOTS].bytes;
	const uint32_t *routes = p->parts[PACKAGE_ROUTE_SLOTS].bytes;
	bool seen[CONF_SLOTS_MAX] = { false };

	if (p->parts[PACKAGE_LISTENER_SLOTS].len != conf->listener_count ||
		p->parts[PACKAGE_ROUTE_SLOTS].len != conf->route_count * sizeof *routes)
		return false;
	for (size_t i = 0; i < conf->listener_count; i++) {
		if (listeners[i] >= CONF_SLOTS_MAX || seen[listeners[i]])
			return false;
		seen[listeners[i]] = true;
	}
	for (size_t i = 0; i < conf->route_count; i++)
		if (routes[i] >= CONF_ROUTES_MAX)
			return false;
	return true;
}

struct snapshot *package_load(const struct package *p, char *error, size_t room)
{
	char *text = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);
	struct snapshot *conf = NULL;

	if (errors != NULL) {
		conf = conf_load_text(p->parts[PACKAGE_CONFIGURATION].bytes, "configuration", errors);
		fclose(errors);
	}
	snprintf(error, room, "%.*s", text != NULL ? (int)strcspn(text, "\n") : 0, text != NULL ? text : "");
	free(text);
	if (conf != NULL && !slots_are_good(p, conf)) {
		snprintf(error, room, "the numbers of listeners or routes do not fit it");
		snapshot_release(conf);
		return NULL;
	}
	if (conf != NULL)
		snapshot_place(conf, p->parts[PACKAGE_LISTENER_SLOTS].bytes, p->parts[PACKAGE_ROUTE_SLOTS].bytes);
	return conf;
}

const struct material *package_material(const struct package *p)
{
	return &p->material;
}

struct resolve_files package_files(const struct package *p)
{
	return (struct resolve_files){
		.resolv_conf = p->parts[PACKAGE_RESOLV_CONF].bytes, .resolv_conf_len = p->parts[PACKAGE_RESOLV_CONF].len,
		.hosts = p->parts[PACKAGE_HOSTS].bytes, .hosts_len = p->parts[PACKAGE_HOSTS].len,
	};
}

#include "proxy/http/material.h"

#include <string.h>

static const struct material nothing;
static const struct material *in_force = &nothing;

const struct material_file *material_find(const struct material *m, const char *path)
{
	for (size_t i = 0; i < m->count && path[0] != '\0'; i++)
		if (strcmp(m->files[i].path, path) == 0)
			return &m->files[i];
	return NULL;
}

int material_add(struct material *m, const char *path, const uint8_t *bytes, size_t len)
{
	if (m->count == CONF_FILES_MAX)
		return -1;
	m->files[m->count++] = (struct material_file){ path, bytes, len };
	return 0;
}

void material_use(const struct material *m)
{
	in_force = m != NULL ? m : &nothing;
}

const struct material *material_in_force(void)
{
	return in_force;
}

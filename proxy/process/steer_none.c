#include <stddef.h>

#include "base/log.h"
#include "proxy/process/steer.h"

int steer_open(struct worker *w, const char *path)
{
	(void)w;
	if (path == NULL)
		return 0;
	log_error("this build cannot be steered");
	return -1;
}

void steer_close(void)
{
}

void steer_obey(void)
{
}

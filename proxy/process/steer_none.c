#include <stddef.h>

#include "base/log.h"
#include "proxy/process/steer.h"
#include "proxy/process/steer_worker.h"
#include "proxy/process/worker.h"

int steer_open(struct parent *p, const char *path)
{
	(void)p;
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

void steer_worker_said(struct parent *p, struct place *place, const struct channel_message *m)
{
	(void)p, (void)place, (void)m;
}

char **steer_environment(void)
{
	static char *none[] = { NULL };

	return none;
}

void steer_worker_obey(struct worker *w, const struct channel_message *m)
{
	(void)m;
	w->lost = true;
}

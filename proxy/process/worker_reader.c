#include "proxy/process/worker.h"

#include <unistd.h>

void worker_take_reader(struct worker *w, int fd)
{
	(void)w;
	close(fd);
}

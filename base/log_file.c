/* Apart from the rest of base/log, so that a program that opens no file does not hold the call either. */
#include <fcntl.h>

#include "base/log.h"

int log_file_open(const char *path, int otherwise)
{
	return *path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640) : otherwise;
}

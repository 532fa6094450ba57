#include "base/errors.h"

static const struct error_row rows[] = {
#define X(name, class, coap, oscore, http, counter, text) [name] = {#name, ERROR_##class, coap, oscore, http, counter, text},
	ERRORS_TABLE(X)
#undef X
};

const struct error_row *error_row(enum error e)
{
	if ((unsigned)e <= ERR_NONE || (unsigned)e >= ERR_COUNT)
		e = ERR_INTERNAL;
	return &rows[e];
}

/* The reader and the writer are inline; this file only proves that their header stands on its own. */
#include "base/bytes.h"

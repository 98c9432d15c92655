/* zone_names.h: the names of the zone database of this host. */
#ifndef SYNCLINE_CRON_ZONE_NAMES_H
#define SYNCLINE_CRON_ZONE_NAMES_H

#include "base/err.h"

/* The path of the file of a zone, to be freed; NULL, Configuration: no name, or none that is there,
 * with the nearest one; or there is no database. */
char *zone_path(const char *name, struct err *err);

#endif

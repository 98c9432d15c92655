/* schedule_zones.c: zones as this host has them, each read once (schedule_parts.h). A name that it
 * does not have is asked for again each time: the database may be installed meanwhile. */
#include "planner/schedule_parts.h"

#include "base/buf.h"

#include <stdlib.h>

struct zone_entry {
    char *name;
    struct zone *zone;
};

struct zones {
    struct zone_entry *entries;
    u32 count;
};

struct zones *zones_new(void)
{
    return memory_or_die(sizeof(struct zones));
}

static void entry_release(struct zone_entry *entry)
{
    free(entry->name);
    zone_destroy(&entry->zone);
}

void zones_destroy(struct zones **zones)
{
    for (u32 i = 0; i < (*zones)->count; i++)
        entry_release(&(*zones)->entries[i]);
    free((*zones)->entries);
    free(*zones);
    *zones = NULL;
}

int zones_open(struct zones *zones, const char *name, const struct zone **out, struct err *err)
{
    struct zone *zone;

    for (u32 i = 0; i < zones->count; i++)
        if (strcmp(zones->entries[i].name, name) == 0) {
            *out = zones->entries[i].zone;
            return 0;
        }
    if (zone_open(name, &zone, err) < 0)
        return -1;
    zones->entries =
        memory_resize_or_die(zones->entries, (zones->count + 1) * sizeof *zones->entries);
    zones->entries[zones->count++] = (struct zone_entry){.name = text_copy(name), .zone = zone};
    *out = zone;
    return 0;
}

u32 zones_refresh(struct zones *zones)
{
    u32 kept = 0, count = zones->count;

    for (u32 i = 0; i < count; i++) {
        if (zone_is_stale(zones->entries[i].zone))
            entry_release(&zones->entries[i]);
        else
            zones->entries[kept++] = zones->entries[i];
    }
    zones->count = kept;
    return count - kept;
}

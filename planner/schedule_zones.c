/* schedule_zones.c: zones as this host has them, each read once (schedule_parts.h). A name that it
 * does not have is asked for again after a minute: the database may be installed meanwhile. */
#include "planner/schedule_parts.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdlib.h>

struct zone_entry {
    char *name;
    struct zone *zone;
};

#define UNKNOWN_MS 60000

struct zones {
    struct zone_entry *entries;
    u32 count;
    json_t *unknown; /* {name: when it may be asked for again} */
};

struct zones *zones_new(void)
{
    struct zones *zones = memory_or_die(sizeof *zones);

    zones->unknown = json_object();
    return zones;
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
    json_decref((*zones)->unknown);
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
    if (zone_open(name, &zone, err) < 0) {
        json_object_set_new(zones->unknown, name, json_integer(clock_monotonic_ms() + UNKNOWN_MS));
        return -1;
    }
    zones->entries =
        memory_resize_or_die(zones->entries, (zones->count + 1) * sizeof *zones->entries);
    zones->entries[zones->count++] = (struct zone_entry){.name = text_copy(name), .zone = zone};
    *out = zone;
    return 0;
}

char *zones_unknown(struct zones *zones)
{
    s64 now_ms = clock_monotonic_ms();
    const char *name;
    json_t *until;
    void *next;

    json_object_foreach_safe(zones->unknown, next, name, until)
    {
        if (json_integer_value(until) <= now_ms)
            json_object_del(zones->unknown, name);
    }
    return json_dumps(zones->unknown, JSON_COMPACT);
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

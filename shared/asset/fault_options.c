/* fault_options.c: the options of fault: and the counts of this process. See fault.h. */
#include <stdlib.h>

#include "asset/fault.h"

static const struct {
    const char *name;
    size_t offset;
    u64 standard;
} options[] = {
#define X(name, standard) {#name, offsetof(struct fault_options, name), standard},
    FAULT_OPTIONS(X)
#undef X
};

static u64 *find(struct fault_options *out, const char *name, size_t size)
{
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
            return (u64 *)((u8 *)out + options[i].offset);
    return NULL;
}

/* Decimal digits up to ',' or ';'. Returns where it ended, or NULL. */
static const char *take_value(const char *at, u64 *out)
{
    u64 value = 0;
    const char *start = at;

    for (; *at >= '0' && *at <= '9'; at++) {
        u64 digit = (u64)(*at - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return NULL;
        value = value * 10 + digit;
    }
    *out = value;
    return at > start && (*at == ',' || *at == ';') ? at : NULL;
}

int fault_parse(const char *rest, struct fault_options *out, const char **address, struct err *err)
{
    const char *at = rest;

    for (size_t i = 0; i < COUNT_OF(options); i++)
        *(u64 *)((u8 *)out + options[i].offset) = options[i].standard;
    while (*at != ';' || (at > rest && at[-1] == ',')) {
        size_t size = strcspn(at, "=,;");
        u64 *value = find(out, at, size);
        const char *end;

        if (!strchr(at, ';'))
            return err_set(err, ERR_Configuration,
                           "asset address \"fault:%.200s\": no ';' with the address "
                           "of the wrapped asset after the options",
                           rest);
        if (!value)
            return err_set(err, ERR_Configuration,
                           "asset address \"fault:%.200s\": unknown option "
                           "\"%.*s\" at character %zu",
                           rest, (int)(size < 40 ? size : 40), at, (size_t)(at - rest) + 7);
        end = at[size] == '=' ? take_value(at + size + 1, value) : NULL;
        if (!end)
            return err_set(err, ERR_Configuration,
                           "asset address \"fault:%.200s\": option \"%.*s\" at "
                           "character %zu needs =NUMBER",
                           rest, (int)size, at, (size_t)(at - rest) + 7);
        at = *end == ',' ? end + 1 : end;
    }
    *address = at + 1;
    if (!**address)
        return err_set(err, ERR_Configuration, "asset address \"fault:%.200s\": nothing after ';'",
                       rest);
    return 0;
}

struct fault_counts *fault_counts_of(const char *rest, u64 seed)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct fault_counts *all;
    struct fault_counts *counts;

    pthread_mutex_lock(&mutex);
    for (counts = all; counts && strcmp(counts->address, rest) != 0; counts = counts->next)
        ;
    if (!counts) {
        counts = memory_or_die(sizeof *counts);
        counts->address = text_copy(rest);
        counts->random = seed;
        pthread_mutex_init(&counts->mutex, NULL);
        counts->next = all;
        all = counts;
    }
    pthread_mutex_unlock(&mutex);
    return counts;
}

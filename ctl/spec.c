/* spec.c: see spec.h. What the planner would refuse is refused here already, where it was typed. */
#include "ctl/spec.h"

#include "base/hash.h"
#include "base/names.h"
#include "base/states.h"

#include <stdio.h>
#include <stdlib.h>

void spec_rule(const struct option_word *word, struct buf *out)
{
    buf_printf(out, "%c %s", strcmp(word->name, "include") == 0 ? '+' : '-', word->value);
}

int spec_add_options(const struct option_list *filters, struct filter *filter, struct err *err)
{
    int result = 0;

    for (u32 i = 0; i < filters->count && result == 0; i++) {
        struct buf rule = {0};

        spec_rule(&filters->words[i], &rule);
        result = filter_add(filter, buf_bytes(&rule), err);
        if (result < 0)
            err_context(err, "--%s", filters->words[i].name);
        buf_release(&rule);
    }
    return result;
}

int spec_add_stored(const char *spec, struct filter *filter, struct err *err)
{
    json_t *json = json_loads(spec, 0, NULL), *rule;
    int result = 0;
    size_t i;

    json_array_foreach(json_object_get(json, "filters"), i, rule)
    {
        if (result == 0)
            result = filter_add(filter, bytes_of(json_string_value(rule), json_string_length(rule)),
                                err);
    }
    json_decref(json);
    return result;
}

/* ---- one field each ---- */

static int add_filters(const struct option_list *filters, json_t *spec, struct err *err)
{
    struct filter *filter = filter_new();
    json_t *rules = json_array();
    int result = spec_add_options(filters, filter, err);

    for (u32 i = 0; i < filter_count(filter) && result == 0; i++) {
        struct bytes rule = filter_rule(filter, i);

        if (!utf8_is_valid(rule))
            result = err_set(err, ERR_Usage,
                             "--%s: the pattern is not UTF-8, and stands in Postgres as text; "
                             "write ? for each byte that is not",
                             filters->words[i].name);
        else
            json_array_append_new(rules, json_stringn((const char *)rule.data, rule.size));
    }
    if (result == 0 && filters->count > 0)
        json_object_set(spec, "filters", rules);
    json_decref(rules);
    filter_destroy(&filter);
    return result;
}

/* "100" or "10%", for the planner to read. */
static int check_max_delete(const char *text, struct err *err)
{
    size_t digits = strspn(text, "0123456789");
    bool percent = strcmp(text + digits, "%") == 0;

    if (digits == 0 || digits > 15 || (text[digits] && !percent) ||
        (percent && strtoull(text, NULL, 10) > 100))
        return err_set(err, ERR_Usage,
                       "--max-delete wants a number, or a percentage from 0%% to 100%% of the "
                       "entries at the destination, not '%.40s'",
                       text);
    return 0;
}

static int add_delete(const struct spec_options *options, json_t *spec, struct err *err)
{
    json_t *value;

    if (options->max_delete && !options->delete)
        return err_set(err, ERR_Usage,
                       "--max-delete goes with --delete: without it nothing is "
                       "removed");
    if (!options->delete)
        return 0;
    if (options->max_delete && check_max_delete(options->max_delete, err) < 0)
        return -1;
    value = json_pack("{s:b}", "enabled", 1);
    if (options->max_delete)
        json_object_set_new(value, "max", json_string(options->max_delete));
    json_object_set_new(spec, "delete", value);
    return 0;
}

static int refuse_preserve(const char *word, struct err *err)
{
    const char *names[] = {
#define PRESERVE(name, bit, text) #name,
#include "schema/states.def"
        "all", "none"};
    const char *nearest = nearest_word(word, names, COUNT_OF(names));
    struct buf all = {0};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    err_set(err, ERR_Usage, "--preserve: there is no '%s'%s%s%s it is a list of %s", word,
            nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : ":",
            buf_text(&all));
    buf_release(&all);
    return -1;
}

/* Names with commas between; "all" and "none" stand alone. In the order of the table, each once. */
static int add_preserve(const char *list, json_t *spec, struct err *err)
{
    u32 bits = strcmp(list, "all") == 0 ? PRESERVE_ALL : 0;
    const char *at = bits != 0 || strcmp(list, "none") == 0 ? NULL : list;
    json_t *names;

    while (at) {
        size_t length = strcspn(at, ",");
        char word[32];
        u32 bit;

        snprintf(word, sizeof word, "%.*s", (int)length, at);
        bit = length < sizeof word ? preserve_by_name(word) : 0;
        if (bit == 0)
            return refuse_preserve(word, err);
        bits |= bit;
        at = at[length] ? at + length + 1 : NULL;
    }
    names = json_array();
    for (u32 bit = 1; bit <= PRESERVE_ALL; bit <<= 1)
        if (bits & bit)
            json_array_append_new(names, json_string(preserve_name(bit)));
    json_object_set_new(spec, "preserve", names);
    return 0;
}

static int add_others(const struct spec_options *options, json_t *spec, struct err *err)
{
    const char *durability = options->durability;

    if (options->preserve && add_preserve(options->preserve, spec, err) < 0)
        return -1;
    if (durability && strcmp(durability, "standard") != 0 && strcmp(durability, "strict") != 0)
        return err_set(err, ERR_Usage, "--durability is standard or strict, not '%.40s'",
                       durability);
    if (options->hash && !hash_kind_by_name(options->hash))
        return err_set(err, ERR_Usage, "--hash is xxh3-128 or sha256, not '%.40s'", options->hash);
    if (durability)
        json_object_set_new(spec, "durability", json_string(durability));
    if (options->hash)
        json_object_set_new(spec, "verify", json_pack("{s:s}", "hash", options->hash));
    if (options->checksum)
        json_object_set_new(spec, "compare", json_string("checksum"));
    if (options->dry_run)
        json_object_set_new(spec, "run", json_pack("{s:b}", "dryRun", 1));
    return 0;
}

int spec_make(const struct spec_options *options, char **out, struct err *err)
{
    json_t *spec = json_object();
    int result = 0;

    if (add_filters(&options->filters, spec, err) < 0 || add_delete(options, spec, err) < 0 ||
        add_others(options, spec, err) < 0)
        result = -1;
    else
        *out = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(spec);
    return result;
}

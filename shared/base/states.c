/* states.c: see states.h. */
#include "base/states.h"

struct named {
    u32 number;
    const char *name;
};

static const struct named roles[] = {
#define ROLE(name, number) {number, #name},
#include "schema/states.def"
};
static const struct named kinds[] = {
#define KIND(name, number, letter) {number, #name},
#include "schema/states.def"
};
static const struct named operations[] = {
#define OPERATION(name, number, text) {number, #name},
#include "schema/states.def"
};
static const struct named outcomes[] = {
#define OUTCOME(name, number, text) {number, #name},
#include "schema/states.def"
};
static const struct named preserves[] = {
#define PRESERVE(name, bit, text) {bit, #name},
#include "schema/states.def"
};
static const struct {
    u32 number;
    const char *name;
    bool ended;
    int exit_code;
} phases[] = {
#define PHASE(name, number, ended, exit_code) {number, #name, ended, exit_code},
#include "schema/states.def"
};
static const struct {
    const char *name;
    const char *json;
} counter_names[] = {
#define COUNTER(name, json, text) {#name, json},
#include "schema/states.def"
};

static const char *name_of(const struct named *list, size_t count, u32 number)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].number == number)
            return list[i].name;
    return "unknown";
}

const char *role_name(u32 role)
{
    return name_of(roles, COUNT_OF(roles), role);
}

const char *kind_name(u32 kind)
{
    return name_of(kinds, COUNT_OF(kinds), kind);
}

const char *operation_name(u32 operation)
{
    return name_of(operations, COUNT_OF(operations), operation);
}

const char *outcome_name(u32 outcome)
{
    return name_of(outcomes, COUNT_OF(outcomes), outcome);
}

const char *preserve_name(u32 bit)
{
    return name_of(preserves, COUNT_OF(preserves), bit);
}

u32 preserve_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(preserves); i++)
        if (strcmp(preserves[i].name, name) == 0)
            return preserves[i].number;
    return 0;
}

const char *phase_name(u32 phase)
{
    for (size_t i = 0; i < COUNT_OF(phases); i++)
        if (phases[i].number == phase)
            return phases[i].name;
    return "unknown";
}

const char *counter_name(u32 counter)
{
    return counter < COUNTER_COUNT ? counter_names[counter].name : "unknown";
}

const char *counter_json(u32 counter)
{
    return counter < COUNTER_COUNT ? counter_names[counter].json : "unknown";
}

enum role role_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (strcmp(roles[i].name, name) == 0)
            return roles[i].number;
    return 0;
}

enum phase phase_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(phases); i++)
        if (strcmp(phases[i].name, name) == 0)
            return phases[i].number;
    return 0;
}

bool phase_has_ended(enum phase phase)
{
    for (size_t i = 0; i < COUNT_OF(phases); i++)
        if (phases[i].number == phase)
            return phases[i].ended;
    return false;
}

int phase_exit_code(enum phase phase)
{
    for (size_t i = 0; i < COUNT_OF(phases); i++)
        if (phases[i].number == phase)
            return phases[i].exit_code;
    return 7;
}

/* doctor.h: what is looked at by `syncline doctor`, each thing with what to do about it. */
#ifndef SYNCLINE_CTL_DOCTOR_H
#define SYNCLINE_CTL_DOCTOR_H

#include "ctl/session.h"

enum health { HEALTH_OK, HEALTH_WARNING, HEALTH_FAILED };

struct finding {
    enum health health;
    const char *check; /* one word: what was looked at */
    char *text;        /* what was seen */
    char *next;        /* what to do; NULL if all is well */
};

struct findings {
    struct finding *list;
    u32 count;
    bool unreachable; /* Postgres, Redis or every planner */
};

/* Adds what was seen; `next` NULL with HEALTH_OK. Copies both. */
void finding_add(struct findings *findings, enum health health, const char *check, const char *next,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Which configuration files were read, and what they say. */
void doctor_settings(struct findings *findings, const struct settings *settings);
/* The kernel, limits and clock of this host; `directory`: what is kept on its disks, or NULL. */
void doctor_host(struct findings *findings, const char *directory);
/* Postgres, Redis, planners and workers, assets and jobs; `session` was located, not opened. */
void doctor_services(struct findings *findings, struct session *session);

#endif

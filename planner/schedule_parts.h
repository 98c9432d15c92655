/* schedule_parts.h: what the thread of the scheduler is made of; for schedule*.c only. Each step is
 * one transaction, which takes the rows of a synchronization and of its schedule together, passes
 * rows by that somebody else has locked, and waits for none: two schedulers, or a scheduler and the
 * end of a job, never wait for each other in a circle.
 *
 * All return how many rows they dealt with, or -1 with PostgresUnavailable or a refusal; the caller
 * rolls back. */
#ifndef SYNCLINE_PLANNER_SCHEDULE_PARTS_H
#define SYNCLINE_PLANNER_SCHEDULE_PARTS_H

#include "io/postgres.h"
#include "planner/firing.h"
#include "planner/truth.h"

#include <jansson.h>

/* ---- the zones of this host (schedule_zones.c) ---- */

struct zones;

struct zones *zones_new(void);
void zones_destroy(struct zones **zones);
/* Read once; borrowed until zones_refresh. */
int zones_open(struct zones *zones, const char *name, const struct zone **out, struct err *err);
/* Those that this host did not have a moment ago, as an object of JSON; free() it. */
char *zones_unknown(struct zones *zones);
/* Forgets those of which the database has another version now; how many. */
u32 zones_refresh(struct zones *zones);

/* ---- steps ---- */

/* What a step did, told to the loop when it is committed. */
struct schedule_step {
    struct postgres *postgres;
    struct zones *zones;
    struct plan_note *notes;
    u32 note_count;
    s64 after; /* of schedule_expire and schedule_turn: rows with a higher id */
    s64 last;  /* the last one that they locked */
    u32 limit; /* how many they lock at most */
    u64 plan;  /* the last one that was locked: the only one, if `limit` was 1 */
};
void schedule_step_clear(struct schedule_step *step);

/* Decides what is due, of at most `limit` plans. */
int schedule_due(struct schedule_step *step, u32 limit, struct err *err);
/* What waited, or was queued, beyond its starting deadline. */
int schedule_expire(struct schedule_step *step, struct err *err);
/* What waited and is cancelled, or has its turn. */
int schedule_turn(struct schedule_step *step, struct err *err);
/* Asks what is in the way of a plan that replaces to end. */
int schedule_replace(struct schedule_step *step, struct err *err);
/* Has plans told anew: those in *left, or all if it is NULL. Those that are locked are in *left
 * then, to be tried again; free() it. */
int schedule_retell(struct postgres *postgres, char **left, struct err *err);
/* Has those told anew that were looked at later than it is now: the clock went back. */
int schedule_set_back(struct postgres *postgres, struct err *err);
/* A plan that cannot be dealt with is looked at again later, and says why. */
int schedule_put_aside(struct postgres *postgres, u64 plan, const char *problem, s64 for_ms,
                       struct err *err);
/* Milliseconds until something is due; -1 if nothing is. *out. */
int schedule_next(struct schedule_step *step, s64 *out_ms, struct err *err);
/* In SQL: this host knows the zone of s, by what zones_unknown says. */
#define ZONE_IS_KNOWN(unknown) "NOT " unknown "::jsonb ? coalesce(s.spec ->> 'timezone', 'UTC')"

/* ---- what was decided (schedule_write.c) ---- */

/* Columns of what is known of a plan (schedule_due.c). */
enum plan_column {
    AT_ID,
    AT_NAME,
    AT_SCHEDULE,
    AT_ZONE,
    AT_OVERLAP,
    AT_MISSED,
    AT_DEADLINE,
    AT_JITTER,
    AT_ROWS,
    AT_MADE,
    AT_LOOKED,
    AT_FIRED_FROM,
    AT_FIRED_UNTIL,
    AT_RESUMED,
    AT_PROBLEM,
    AT_ACTIVE,
    AT_WAITING,
    AT_WAITING_ID,
    AT_NOW,
};

/* A plan, and what was decided about it. */
struct decided {
    const PGresult *rows;
    int row;
    const struct firing_plan *plan;
    const struct firing_state *state;
    const struct firing *firing;
};

/* What a batch of plans writes, as arrays of JSON. */
struct writes {
    json_t *again;    /* times that come again: their rows go */
    json_t *replaced; /* what waited, and does no more */
    json_t *times;
    json_t *schedules;
    s64 back_ms; /* the clock went back by so much */
    u32 back;    /* for so many plans */
};

void writes_begin(struct writes *writes);
void writes_release(struct writes *writes);
void writes_add(struct writes *writes, const struct decided *decided);
/* The times of the plan cannot be told; `here`: by this planner, and perhaps by others. */
void writes_problem(struct writes *writes, s64 plan, const char *problem, bool here);
int writes_do(struct schedule_step *step, const struct writes *writes, struct err *err);

/* ---- rows (schedule_rows.c) ---- */

/* Moments in SQL, from and to milliseconds. */
#define MS_OF(column) "floor(1000 * extract(epoch FROM " column "))::bigint"
#define MOMENT_OF(ms) "(timestamptz 'epoch' + " ms "::bigint * interval '1 ms')"

/* Times as rows of table job: an array of {plan, at, start_by, phase, waits, waiting_for, reason,
 * message}. A time that has a row keeps it. */
int schedule_insert(struct schedule_step *step, json_t *times, struct err *err);
/* Rows of the array of ids, as they are now, are told: events, sums, those who listen, and notes.
 * `turn`: they waited before. */
int schedule_tell(struct schedule_step *step, const char *ids, bool turn, struct err *err);
/* A statement whose parameter is JSON. */
int schedule_query(struct postgres *postgres, const char *sql, json_t *json, PGresult **result,
                   struct err *err);
/* The first column as the text of an array; free() it. */
char *schedule_ids(const PGresult *result);

/* "2026-01-02 03:04:05Z" */
#define MOMENT_TEXT_SIZE 32
void moment_text(s64 ms, char out[MOMENT_TEXT_SIZE]);

#endif

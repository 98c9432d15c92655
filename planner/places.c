/* places.c: jobs that wait for a place: a destination that is full, read-only or away, a source
 * that cannot be read. Each place that failed has a breaker (breaker.h), which all jobs share that
 * use it; a place without one is as it should be.
 *
 * While it is open nothing is staged, published or granted there; what is on its way ends, and what
 * of it failed is done again. Then one thing is tried: of content first what had failed, since what
 * asks for less may work where the rest does not. A job that saw `attempts` failures in a row ends
 * with the reason. A job that has one attempt only waits for nothing, nor does one that ends early.
 *
 * A time of a plan that has not begun tries until its starting deadline instead, and waits also for
 * what is not there at all. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LAST_TRY_MS 1000 /* before the starting deadline of who waits to begin */

struct place {
    TAILQ_ENTRY(place) link;
    char *address;
    char *name; /* of the asset */
    struct breaker breaker;
    u32 code;
    char message[ERR_TEXT_SIZE];
    s64 failed_ms; /* when it was last found so */
    s64 since_ns;  /* for people, as next_ns */
    s64 next_ns;
    u64 trial_job; /* TRYING: whose it is, and what for */
    enum place_use trial_use;
};

/* A time of a plan that has not begun: the deadline says how long it tries, not the attempts. */
static bool waits_to_start(const struct job *job)
{
    return job->start_by_ms != 0;
}

/* What such a job waits for, and every other one ends with. */
static bool may_come(u32 code)
{
    return code == ERR_SourceMissing || code == ERR_DestinationMissing ||
           code == ERR_SourceNotADirectory || code == ERR_DestinationNotADirectory ||
           code == ERR_SourceChanged;
}

bool places_waits(const struct job *job)
{
    return !job->adhoc && job->fail_code == ERR_Ok &&
           (job->spec.attempts > 1 || waits_to_start(job));
}

static bool uses(const struct job *job, const struct place *place)
{
    return strcmp(job->destination, place->address) == 0 ||
           strcmp(job->source, place->address) == 0;
}

bool places_hold(const struct job *job)
{
    const struct place *place;

    if (!waits_to_start(job) || !places_waits(job))
        return false;
    TAILQ_FOREACH(place, &job->planner->places, link)
    if (uses(job, place))
        return true;
    return false;
}

static struct place *find(struct planner *planner, const char *address)
{
    struct place *place;

    TAILQ_FOREACH(place, &planner->places, link)
    if (strcmp(place->address, address) == 0)
        return place;
    return NULL;
}

static bool is_of_source(u32 code)
{
    return code == ERR_SourceUnreadable || code == ERR_SourceUnreachable ||
           code == ERR_SourceMissing || code == ERR_SourceNotADirectory ||
           code == ERR_SourceChanged;
}

static struct place *find_or_add(struct job *job, u32 code)
{
    bool source = is_of_source(code);
    const char *address = source ? job->source : job->destination;
    struct place *place = find(job->planner, address);

    if (place)
        return place;
    place = memory_or_die(sizeof *place);
    place->address = text_copy(address);
    place->name = text_copy(source ? job->source_name : job->destination_name);
    place->since_ns = clock_wall_ns();
    TAILQ_INSERT_TAIL(&job->planner->places, place, link);
    return place;
}

static void forget(struct planner *planner, struct place *place)
{
    TAILQ_REMOVE(&planner->places, place, link);
    free(place->address);
    free(place->name);
    free(place);
}

void places_destroy_all(struct planner *planner)
{
    while (!TAILQ_EMPTY(&planner->places))
        forget(planner, TAILQ_FIRST(&planner->places));
}

/* ---- may it be sent? ---- */

/* A place that takes no content can still be looked at. */
static bool is_full(u32 code)
{
    return code == ERR_NoSpace || code == ERR_QuotaExceeded || code == ERR_ReadOnly;
}

static bool concerns(const struct place *place, enum place_use use)
{
    switch (use) {
    case USE_PROBE:
    case USE_SCAN:
        return !is_full(place->code);
    case USE_REVOKE: /* what takes away helps a full place; it waits if it is what failed */
        return place->breaker.use == USE_REVOKE;
    default:
        return true;
    }
}

static bool has_blocked(const struct job *job)
{
    const struct job_batch *batch;

    TAILQ_FOREACH(batch, &job->batches, link)
    if (batch->blocked)
        return true;
    return false;
}

static enum breaker_answer ask(const struct place *place, const struct job *job, enum place_use use,
                               const struct job_batch *batch)
{
    bool whose = place->trial_job == job->id;
    bool part = batch ? batch->trial : whose && use == USE_PROBE;
    enum breaker_answer answer;

    if (!concerns(place, use) || !uses(job, place) ||
        (may_come(place->code) && !waits_to_start(job)))
        return BREAKER_GO;
    answer = breaker_ask(&place->breaker, use, part, whose, clock_monotonic_ms());
    /* what waits for its turn may be behind what had not failed */
    if (answer == BREAKER_TRIAL && batch && !batch->blocked && !batch->in_order && has_blocked(job))
        return BREAKER_WAIT;
    return answer;
}

bool places_allow(struct job *job, enum place_use use, const struct job_batch *batch)
{
    struct place *place;

    if (TAILQ_EMPTY(&job->planner->places) || !places_waits(job))
        return true;
    TAILQ_FOREACH(place, &job->planner->places, link)
    if (ask(place, job, use, batch) == BREAKER_WAIT)
        return false;
    return true;
}

void places_sent(struct job *job, enum place_use use, struct job_batch *batch)
{
    struct place *place;

    if (!places_waits(job))
        return;
    TAILQ_FOREACH(place, &job->planner->places, link)
    {
        if (ask(place, job, use, batch) != BREAKER_TRIAL)
            continue;
        breaker_try(&place->breaker);
        place->trial_job = job->id;
        place->trial_use = use;
        if (batch)
            batch->trial = true;
    }
}

/* ---- what became of it ---- */

static void say_failed(const struct job *job, struct place *place, u32 code, const char *message,
                       s64 backoff_ms)
{
    bool first = place->breaker.failures == 1;

    place->code = code;
    place->failed_ms = clock_monotonic_ms();
    snprintf(place->message, sizeof place->message, "%s", message);
    place->next_ns = clock_wall_ns() + backoff_ms * NS_PER_MS;
    log_write(first ? LOG_WARN : LOG_INFO, job->name, first ? EVENT_job_waits : EVENT_place_tried,
              "asset=%s code=%s failures=%u next_ms=%lld message=%s", log_text(place->name),
              err_name(code), place->breaker.failures, (long long)backoff_ms, log_text(message));
    if (first)
        view_event(job->planner->view, job->name, "Waits", message);
}

bool places_failed(struct job *job, enum place_use use, u32 code, const char *message)
{
    bool of_place = err_is_of_place(code) ||
                    (code == ERR_IoError && (use == USE_OPEN || use == USE_GRANT)) ||
                    (may_come(code) && waits_to_start(job));
    struct place *place;
    struct job *other;
    s64 backoff_ms;

    if (!of_place || !places_waits(job))
        return false;
    place = find_or_add(job, code);
    backoff_ms = spec_place_backoff_ms(&job->spec, place->breaker.failures + 1);
    if (!breaker_failed(&place->breaker, use, backoff_ms, clock_monotonic_ms()))
        return true;
    say_failed(job, place, code, message, backoff_ms);
    TAILQ_FOREACH(other, &job->planner->jobs, link)
    if (uses(other, place) && !waits_to_start(other) && !may_come(code))
        other->place_failures++;
    return waits_to_start(job) || job->place_failures < job->spec.attempts;
}

/* The last attempt of a job is the one that makes rows of what failed. */
bool places_may_fail(struct job *job)
{
    s64 now_ms = clock_monotonic_ms();
    const struct place *place;

    if (!places_waits(job))
        return false;
    if (job->place_failures + 1 < job->spec.attempts)
        return true;
    TAILQ_FOREACH(place, &job->planner->places, link)
    if (uses(job, place) && !breaker_counts(&place->breaker, now_ms))
        return true;
    return false;
}

void places_worked(struct job *job, enum place_use use)
{
    struct place *place, *next;
    struct job *other;

    for (place = TAILQ_FIRST(&job->planner->places); place; place = next) {
        next = TAILQ_NEXT(place, link);
        if (place->trial_job != job->id || !uses(job, place) ||
            !breaker_worked(&place->breaker, use))
            continue;
        log_write(LOG_INFO, job->name, EVENT_place_back, "asset=%s", log_text(place->name));
        TAILQ_FOREACH(other, &job->planner->jobs, link)
        if (uses(other, place))
            other->place_failures = 0;
        forget(job->planner, place);
    }
}

/* ---- what nobody answers, and who has tried enough ---- */

static u32 kind_of(enum place_use use)
{
    static const u32 kinds[] = {[USE_PROBE] = MSG_probe,
                                [USE_SCAN] = MSG_scan,
                                [USE_REVOKE] = MSG_revoke,
                                [USE_OPEN] = MSG_open,
                                [USE_GRANT] = MSG_grant};

    return kinds[use];
}

/* A batch goes on through its losses; what else was sent and lapsed is no trial any more. */
static bool trial_goes_on(struct planner *planner, const struct place *place)
{
    const struct assignment *assignment;
    const struct job_batch *batch;
    const struct job *job;

    TAILQ_FOREACH(job, &planner->jobs, link)
    {
        if (job->id != place->trial_job)
            continue;
        TAILQ_FOREACH(batch, &job->batches, link)
        if (place->trial_use == USE_CONTENT && batch->trial)
            return true;
        TAILQ_FOREACH(assignment, &job->assignments, link)
        if (place->trial_use != USE_CONTENT && assignment->kind == kind_of(place->trial_use))
            return true;
    }
    return false;
}

static bool is_used(struct planner *planner, const struct place *place)
{
    const struct job *job;

    TAILQ_FOREACH(job, &planner->jobs, link)
    if (places_waits(job) && uses(job, place))
        return true;
    return false;
}

static void give_up(struct job *job, const struct place *place)
{
    job_fail(job, place->code, place->message);
    if (job->state != JOB_CLOSING)
        return;
    if (job->opening == OPENING_WANTED)
        job->open_failed = true;
    else
        closing_give_up(job);
}

/* Its last try comes right before its deadline, however far away the next one would be; after it it
 * ends. While something is tried that is waited for. */
static void keep_deadline(struct job *job, struct place *place, s64 now_ms)
{
    s64 last_ms = job->start_by_ms - LAST_TRY_MS;

    if (place->breaker.state != BREAKER_OPEN)
        return;
    if (now_ms >= job->start_by_ms) {
        give_up(job, place);
    } else if (last_ms > place->failed_ms && last_ms < place->breaker.next_ms) {
        place->next_ns += (last_ms - place->breaker.next_ms) * NS_PER_MS;
        place->breaker.next_ms = last_ms;
    }
}

void places_tick(struct planner *planner)
{
    s64 now_ms = clock_monotonic_ms();
    struct place *place, *next;
    struct job *job;

    for (place = TAILQ_FIRST(&planner->places); place; place = next) {
        next = TAILQ_NEXT(place, link);
        TAILQ_FOREACH(job, &planner->jobs, link)
        if (places_waits(job) && uses(job, place)) {
            if (waits_to_start(job))
                keep_deadline(job, place, now_ms);
            else if (job->place_failures >= job->spec.attempts)
                give_up(job, place);
        }
        if (place->breaker.state == BREAKER_TRYING && !trial_goes_on(planner, place))
            breaker_void(&place->breaker);
        if (!is_used(planner, place))
            forget(planner, place);
    }
}

/* ---- what people see ---- */

static void clock_text(s64 wall_ns, const char *format, char *out, size_t size)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm broken;

    gmtime_r(&seconds, &broken);
    strftime(out, size, format, &broken);
}

/* How long it goes on so. */
static void describe_end(const struct job *job, char *out, size_t size)
{
    if (waits_to_start(job))
        clock_text(job->start_by_ns, "until %Y-%m-%d %H:%M:%SZ", out, size);
    else
        snprintf(out, size, "%u of %u", job->place_failures + 1, job->spec.attempts);
}

static void describe(const struct job *job, const struct place *place, char *out, size_t size)
{
    char since[16], next[40] = "trying now", end[48];

    clock_text(place->since_ns, "%H:%M:%SZ", since, sizeof since);
    if (place->breaker.state == BREAKER_OPEN)
        clock_text(place->next_ns, "next try at %H:%M:%SZ", next, sizeof next);
    describe_end(job, end, sizeof end);
    snprintf(out, size, "%s%.60s: %s (since %s; %s, %s)",
             is_full(place->code) && place->code != ERR_ReadOnly ? "space at " : "", place->name,
             err_describe(place->code), since, next, end);
}

bool places_describe(const struct job *job, char *out, size_t size)
{
    const struct place *place;

    if (!places_waits(job))
        return false;
    TAILQ_FOREACH(place, &job->planner->places, link)
    {
        if (!uses(job, place) || (may_come(place->code) && !waits_to_start(job)))
            continue;
        describe(job, place, out, size);
        return true;
    }
    return false;
}

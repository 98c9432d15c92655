/* definitions_fixture.h: definitions applied to a real Postgres, for tests of what becomes of them.
 */
#ifndef SYNCLINE_TESTS_DEFINITIONS_FIXTURE_H
#define SYNCLINE_TESTS_DEFINITIONS_FIXTURE_H

#include "truth_fixture.h"

#include "store/definitions.h"
#include "store/jobs.h"

#define ASSET(name, path)                                                                          \
    "---\napiVersion: syncline/v1\nkind: Asset\nmetadata: {name: " name "}\n"                      \
    "spec: {directory: {path: " path "}}\n"
#define SYNC(name, source, destination, more)                                                      \
    "---\napiVersion: syncline/v1\nkind: Synchronization\nmetadata: {name: " name "}\n"            \
    "spec: {source: " source ", destination: " destination more "}\n"
#define PAIR ASSET("one", "/src") ASSET("two", "/dst") SYNC("copy", "one", "two", "")

/* What came of one apply. */
struct applied {
    struct definitions given;
    struct definition_outcome *outcomes;
    struct buf faults;
    char *job;
    struct err err;
    int rc;
};

static inline void applied_release(struct applied *applied)
{
    definition_outcomes_release(&applied->outcomes, applied->given.count);
    definitions_release(&applied->given);
    buf_release(&applied->faults);
    free(applied->job);
}

static inline struct applied apply_on(struct postgres *postgres, const char *yaml, bool look)
{
    struct applied applied = {0};
    struct err ignored;

    if (definitions_read("f", yaml, strlen(yaml), &applied.given, &applied.faults, &applied.err) <
        0)
        fail_msg("%s", buf_text(&applied.faults));
    assert_int_equal(definitions_begin(postgres, &applied.err), 0);
    applied.rc = definitions_apply(postgres, &applied.given, look, &applied.outcomes,
                                   &applied.faults, &applied.job, &applied.err);
    definitions_end(postgres, applied.rc == 0 && !look, &ignored);
    return applied;
}

/* Applies and wants these changes: "created unchanged". */
static inline void apply(struct world *world, const char *yaml, const char *wanted)
{
    struct applied applied = apply_on(world->sql, yaml, false);
    struct buf text = {0};

    if (applied.rc < 0)
        fail_msg("%s\n%s", applied.err.text, buf_text(&applied.faults));
    for (u32 i = 0; i < applied.given.count; i++)
        buf_printf(&text, "%s%s%s", i ? " " : "",
                   definition_change_name(applied.outcomes[i].change),
                   applied.outcomes[i].moved ? "!" : "");
    assert_string_equal(buf_text(&text), wanted);
    buf_release(&text);
    applied_release(&applied);
}

/* Wants it refused with this code, and `says` among the faults or in the error. */
static inline void refuse(struct world *world, const char *yaml, enum err_code code,
                          const char *says)
{
    struct applied applied = apply_on(world->sql, yaml, false);

    assert_int_equal(applied.rc, -1);
    if (applied.err.code != code ||
        (!strstr(buf_text(&applied.faults), says) && !strstr(applied.err.text, says)))
        fail_msg("%s: %s\n%s where %s with \"%s\" is wanted", err_name(applied.err.code),
                 applied.err.text, buf_text(&applied.faults), err_name(code), says);
    applied_release(&applied);
}

static inline void delete_one(struct world *world, enum definition_kind kind, const char *name,
                              enum err_code code, const char *says)
{
    char *job = NULL, *user = NULL;
    struct err err = {0}, ignored;
    int rc;

    assert_int_equal(definitions_begin(world->sql, &err), 0);
    rc = definitions_delete(world->sql, kind, name, &job, &user, &err);
    definitions_end(world->sql, rc == 0, &ignored);
    if ((rc == 0) != (code == ERR_Ok) || (rc < 0 && (err.code != code || !strstr(err.text, says))))
        fail_msg("%s: %s where %s with \"%s\" is wanted", err_name(err.code), err.text,
                 err_name(code), says);
    assert_true((code == ERR_ActiveJob) == (job != NULL));
    assert_true((code == ERR_InUse) == (user != NULL));
    free(job);
    free(user);
}

static inline char *start_one(struct world *world, const char *name)
{
    char uid[UUID_SIZE], *job = NULL;
    struct err err;

    jobs_new_uid(uid);
    if (jobs_start(world->sql, name, NULL, uid, &job, &err) < 0)
        fail_msg("%s", err.text);
    return job;
}

static inline void end_all(struct world *world, const char *phase)
{
    run_sql(world, "UPDATE job SET phase = '%s', finished_at = now()", phase);
}

#endif

/* jobs.h: what the command asks of the truth and writes into it: synchronizations of two
 * directories that were never named, jobs, and lists of both. Everything after the insert of a job
 * is the planners' to write, but for cancel_requested. */
#ifndef SYNCLINE_STORE_JOBS_H
#define SYNCLINE_STORE_JOBS_H

#include "base/states.h"
#include "io/postgres.h"

/* A job as people see it. Texts are owned and NULL where the column is; times are RFC 3339, UTC. */
struct job {
    char *name, *uid, *kind, *synchronization, *trigger;
    char *reason, *message, *waiting_for, *planner;
    char *scheduled_for, *created_at, *started_at, *finished_at, *last_progress_at;
    char *source_address, *destination_address;
    char *not_kept; /* JSON, {"OwnerNotKept": 3}; {} if all was kept */
    char *superseded_by;
    char *labels;   /* JSON, of its synchronization */
    char *start_by; /* of a schedule: its starting deadline */
    enum phase phase;
    bool scan_complete;
    bool cancel_requested;
    bool waits;    /* a time of a plan that waits for its turn: Queued, and not active */
    bool approved; /* its removals may be done, however many */
    s64 id;
    s64 duration_ms; /* created to finished (or now) */
    struct counters counters;
};

struct job_list {
    struct job *jobs;
    u32 count;
};

#define ADHOC_NAME_SIZE 32
#define UUID_SIZE 37

/* The name of the synchronization of these two real paths: sync-<8 hex of their XXH3>. */
void jobs_adhoc_name(const char *source, const char *destination, char out[ADHOC_NAME_SIZE]);

/* A random uid for jobs_insert. */
void jobs_new_uid(char out[UUID_SIZE]);

/* Defines the two assets and the synchronization (again), and inserts a job, in one transaction.
 * `spec` is the JSON of options, which replaces that of earlier runs; NULL = {}. Its "run" (dryRun,
 * verify, repair) is of this job only. `uid` makes it safe to call again after PostgresUnavailable:
 * the same uid is the same job. ActiveJob: *job is then the name of the active one. Suspended. The
 * caller frees *job. */
int jobs_start_adhoc(struct postgres *postgres, const char *source, const char *destination,
                     const char *spec, const char *uid, char **job, struct err *err);

/* The same for a synchronization that exists, with its spec; NotFound, Suspended. `run` is JSON,
 * such as
 * {"dryRun": true}, that this job's spec gets as "run"; NULL = nothing. {"only": JOB}: what failed
 * in that job; {"plan": JOB}: what that dry run lists; Usage and the reason if that job is not fit.
 */
int jobs_start(struct postgres *postgres, const char *synchronization, const char *run,
               const char *uid, char **job, struct err *err);

/* What a job was asked for beside its synchronization: JSON that jobs_start takes. NotFound. The
 * caller frees both. */
int jobs_run_of(struct postgres *postgres, const char *name, char **synchronization, char **run,
                struct err *err);

/* No job of it starts until it is resumed; a job that runs goes on. Times of a plan that come until
 * then are no missed ones. *was: it stood like that before. *active: the job that runs, or NULL;
 * the caller frees it. NotFound. */
int jobs_suspend(struct postgres *postgres, const char *synchronization, bool suspended, bool *was,
                 char **active, struct err *err);

/* Queues a job that has ended once more: a Held one, which then removes what it listed however much
 * that is; or one that Failed with SourceChanged, whose source is accepted as it is now. NotFound,
 * Superseded (a later job has begun), ActiveJob, Suspended, Usage (there is nothing to approve; a
 * job that was approved already is no error). */
int jobs_approve(struct postgres *postgres, const char *name, struct err *err);

/* NotFound, with the nearest thing to do. Release with job_release. */
int jobs_read(struct postgres *postgres, const char *name, struct job *out, struct err *err);
void job_release(struct job *job);

/* A job's name as it is, or the name of a synchronization's active job, or of its latest one.
 * NotFound. */
int jobs_resolve(struct postgres *postgres, const char *name, char **job, struct err *err);

/* Newest first. `all` includes those of ad-hoc synchronizations, `active` only takes those that
 * have not ended. */
int jobs_list(struct postgres *postgres, bool all, bool active, u32 limit, struct job_list *out,
              struct err *err);
void job_list_release(struct job_list *list);

/* Asks the owner to cancel the job, or any planner if it waits for its turn. *ended: it had ended
 * before. NotFound. */
int jobs_cancel(struct postgres *postgres, const char *name, bool *ended, struct err *err);

/* Does any planner hold its advisory lock now? */
int jobs_planner_alive(struct postgres *postgres, bool *alive, struct err *err);

#endif

/* limits.h: every limit of the system, once. Only lane and process counts are for users. */
#ifndef SYNCLINE_SCHEMA_LIMITS_H
#define SYNCLINE_SCHEMA_LIMITS_H

/* A table, a line each: tools/docs-generate reads it too. */
/* clang-format off */

#define SCHEMA_VERSION 1u

/* time */
#define HEARTBEAT_MS 250        /* worker to planner, and planner to worker */
#define LEASE_MS 2000           /* a token that its worker does not list for this long lapses */
#define STALL_MS 10000          /* so does one that is listed but makes no progress for this long */
#define STALL_SYNC_MS 120000    /* the same for what may wait for a whole filesystem to sync */
#define PLANNER_LEASE_MS 5000   /* a job whose owner did not renew for this long may be taken over */
#define PLANNER_RENEW_MS 1000
#define RESEND_MS 1000          /* a stream message without acknowledgement is sent again */
#define PROGRESS_MS 3000        /* that a job goes on is said in Postgres this often at most */
#define PROBE_RETRY_MS 500      /* a job that waits for a worker looks again */
#define RETRY_FIRST_MS 50       /* an item that failed is staged again after this, doubled each time */
#define VIEW_INTERVAL_MS 100    /* at most ten writes a second and job to Redis */
#define LOCK_WAIT_MS 500        /* a revoker waits this long for the lock of in-place changes */
#define CLOCK_GRAIN_MS 10       /* a ctime this young cannot tell two writes apart */

#define ASSET_PROBE_MS 60000    /* while something refers to it; FAILED: sooner, so that it is seen to be back */
#define ASSET_PROBE_FAILED_MS 15000
#define ASSET_QUESTIONS 64      /* about single assets that a worker holds at most; one for each address */
#define JOB_PROBES 64           /* for jobs that a worker holds at most; one for each pair of addresses */
#define PROBE_THREADS 4         /* of a worker; there are more as soon as all hang, up to one for each probe */
#define ASSET_PROBE_WAIT_MS 10000 /* a probe without an answer for this long means AssetUnreachable */
#define RETENTION_MS 60000      /* one planner at a time looks this often for what was kept long enough */
#define EVENT_DAYS 30
#define ADHOC_DAYS 30           /* an ad-hoc synchronization goes this long after its last job */
#define HISTORY_LIMIT 30        /* ended jobs of a synchronization that says nothing else */
#define PLAN_LATE_MS 10000      /* a time that is decided later than this after it came passed while no planner ran */
#define PLAN_STARTING_MS 3600000 /* startingDeadline of a plan that says nothing else */
#define PLAN_BATCH 256          /* plans whose times are decided in one transaction */
#define PLAN_MISSED_ROWS 100    /* missed times of one plan that get a row of their own, the latest ones */
#define BACKOFF_FIRST_MS 1000   /* retry.backoff of a synchronization that says nothing else */
#define BACKOFF_MOST_MS 300000  /* the same, retry.maxBackoff */

/* work */
#define CREDIT_PER_LANE 2
#define BATCH_ITEMS 256
#define BATCH_BYTES (64ull << 20)
#define PART_BYTES (64ull << 20)
#define PART_FROM (128ull << 20) /* files of this size and more go in parts, and so does their hash */
#define PARTS_MAX (1u << 18) /* of one file and of all that are under way in a job; more: staged whole */
#define COPIES_MAX 4         /* abandoned copies of one file that parts are adopted from */
#define SCAN_WINDOW 32          /* batches that a scan may be ahead of those that ended */
#define SHARD_SPLIT_ENTRIES 4096
#define SEGMENT_ITEMS 65536
#define SEGMENT_BYTES (8ull << 20)  /* rows held in a planner before all open segments are settled */
#define ITEM_ATTEMPTS 5         /* retry.attempts of a synchronization that says nothing else */
#define BATCH_LOSSES 5
#define GRANT_AHEAD 64
#define COPY_BUFFER (1u << 20)
#define LANES_MAX 256
#define WORKERS_MAX 1024u

/* messages */
#define MESSAGE_MAX (1u << 20)
#define FRAME_MAX (8u << 20)
#define FRAMES_MAX 4            /* the header and up to three bodies */
#define WIRE_DEPTH 4

/* trees */
#define NAME_BYTES 255
#define WAITING_FOR_BYTES 256   /* what a job says that it waits for */
#define PATH_BYTES (1u << 20)   /* refused beyond: two thousand levels of 255 bytes are half of it */
#define SYMLINK_BYTES 4096
#define EXTRAS_BYTES (256u << 10)       /* attributes and lists of one object; more is not kept */
#define EXTRAS_BATCH_BYTES (3u << 20)   /* of one batch: what goes beyond is staged again in another */
#define GUARD_FREE 10                   /* so few removals never trip a percentage */
#define GUARD_PERCENT 50                /* where delete.max is not given */
#define ONLY_PATHS 4096u                /* of a job that does what failed in another once more */
#define ONLY_BYTES (4u << 20)           /* of these paths */
#define STAGING_NAME ".syncline"

#endif

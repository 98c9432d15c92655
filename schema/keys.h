/* keys.h: the keys of the view in Redis, once. What they hold: redis.md. */
#ifndef SYNCLINE_SCHEMA_KEYS_H
#define SYNCLINE_SCHEMA_KEYS_H

#define KEY_JOB "syncline:job:"        /* + job name: HASH */
#define KEY_JOBS "syncline:jobs:"      /* + phase: ZSET */
#define KEY_BATCH "syncline:batch:"    /* + job name, ":", number: HASH */
#define KEY_LEASES "syncline:leases"   /* ZSET */
#define KEY_WORKERS "syncline:workers" /* SET */
#define KEY_WORKER "syncline:worker:"  /* + id: HASH */
#define KEY_ASSET "syncline:asset:"    /* + name: HASH */
#define KEY_SYNC "syncline:sync:"      /* + name: HASH */
#define KEY_EVENTS "syncline:events"   /* STREAM */
#define KEY_VIEW "syncline:view"       /* HASH; the sentinel */

#define KEY_JOB_TTL_S 86400    /* since it was last written: a day after its end */
#define KEY_BATCH_TTL_S 60     /* after its end */
#define KEY_WORKER_TTL_S 10    /* without heartbeat */
#define KEY_ASSET_TTL_S 600    /* since it was last probed */
#define KEY_SYNC_TTL_S 3024000 /* 35 days after its last job */
#define EVENTS_MOST 10000      /* about */
#define JOBS_MOST 1000 /* per ended phase, and from Postgres when the view is written anew */

#endif

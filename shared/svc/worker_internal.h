/* worker_internal.h: what the files of the worker share; nobody else includes it.
 *
 *   worker.c   the process: sockets, heartbeat, routing of messages; runs in the loop thread
 *   lookup.c   a thread that looks up which planners there are
 *   planners.c one connection per planner, its outbox, who and how it is; loop thread
 *   tasks.c    which tasks are held: admission, tokens for the beat, end; loop thread
 *   lanes.c    threads that run tasks, and the calls that a running task makes; lane threads
 *   stream.c   numbered messages with window, acknowledgement and resend; both sides
 *   assets.c   assets opened once per process; lane threads
 *
 * A task is made by the loop thread, run by one lane, and freed by the loop thread after the lane
 * has said so (NOTE_ended). What both touch is atomic or under the stream's mutex. */
#ifndef SYNCLINE_SVC_WORKER_INTERNAL_H
#define SYNCLINE_SVC_WORKER_INTERNAL_H

#include "base/random.h"
#include "io/bus.h"
#include "io/loop.h"
#include "io/queue.h"
#include "svc/config.h"
#include "svc/worker.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- packets: encoded messages with several keepers (stream, outbox, queue) ---- */

struct packet {
    _Atomic u32 users;
    u32 count;
    struct bytes frames[FRAMES_MAX]; /* within this allocation */
};
struct packet *packet_new(const struct envelope *envelope); /* copies; one user */
struct packet *packet_share(struct packet *packet);
void packet_release(struct packet **packet);

/* ---- streams ---- */

struct kept {
    struct kept *next;
    struct packet *packet;
    u32 number;
};

struct stream {
    pthread_mutex_t mutex;
    pthread_cond_t moved; /* CLOCK_MONOTONIC; window, accepted or stopped changed */
    u32 accepted;
    u32 window;
    u32 wanted;
    struct kept *first; /* not acknowledged, by number */
    struct kept *last;
    s64 resend_at_ms; /* when what is kept is sent again */
    s64 resend_wait_ms;
};
void stream_open(struct stream *stream, u32 window);
void stream_close(struct stream *stream); /* drops what is kept */
/* Loop thread. */
void stream_through(struct task *task, const struct msg_through *through);
void stream_wake(struct task *task);
void stream_resend(struct task *task, s64 now_ms);

/* ---- tasks ---- */

struct asset_use {
    struct asset_use *next;
    struct open_asset *open;
};

struct task {
    struct task *next;
    struct worker *worker;
    struct delivery *delivery;
    u64 session; /* of the connection that gave it; an older one's answers are dropped */
    struct token token;
    u32 kind;
    bool answered; /* loop thread: does not count as held any more */
    _Atomic bool stopped;
    _Atomic bool running;
    _Atomic u64 progress;
    bool has_ended;           /* lane: task_reply or task_stream_end was called */
    struct asset_use *assets; /* lane */
    struct stream stream;
};

/* A probe: not for the lanes, and a hung filesystem must not keep them from their work. */
bool task_is_probe(const struct task *task);
/* Counts against the credit that planners have: all but probes. */
bool task_is_counted(const struct task *task);

bool tasks_take_kind(const struct worker *worker, u32 kind);
/* Takes a message that is a task: to a lane, or `busy`, or nothing if it is held already. */
void tasks_admit(struct worker *worker, u64 session, struct delivery **delivery);
struct task *tasks_find(struct worker *worker, u64 session, const struct token *token, u32 kind);
/* Stops tasks of a session; 0 = all. */
void tasks_stop(struct worker *worker, u64 session);
void task_stop(struct task *task);
void tasks_forget(struct worker *worker, struct task *task); /* frees */
/* All but questions about one asset, which are nobody's assignment. */
void tasks_list_held(const struct worker *worker, u64 session, struct buf *out);
/* How many probes wait, if none has come to its end since the last call: with each heartbeat. */
u32 tasks_stuck_probes(struct worker *worker);
/* The token fields that every task message begins with. */
bool message_token(const struct message *message, struct token *out);

/* ---- notes from lanes to the loop ---- */

enum note_kind { NOTE_message, NOTE_answer, NOTE_ended, NOTE_lane_over };
struct note {
    enum note_kind kind;
    struct task *task;
    struct packet *packet;
};
void note_post(struct worker *worker, enum note_kind kind, struct task *task,
               struct packet *packet);

/* ---- planners ---- */

struct outgoing {
    struct outgoing *next;
    struct packet *packet;
};

struct connection {
    struct connection *next;
    struct worker *worker;
    char *endpoint;
    struct bus *bus; /* NULL while refused */
    u64 session;     /* new with each incarnation of the planner */
    u8 planner[INCARNATION_BYTES];
    bool known;     /* `planner` is set */
    bool welcome;   /* it takes our beats */
    bool reachable; /* as it was last logged */
    bool connected;
    u64 changes;     /* of bus_is_connected, as last seen */
    bool hello_sent; /* otherwise it is due */
    bool listed;     /* its endpoint is among those of the configuration */
    u32 refused;     /* enum err_code; 0 = not */
    s64 heard_ms;
    s64 began_ms;
    struct outgoing *first;
    struct outgoing *last;
};

void planners_update(struct worker *worker, char *const *endpoints, u32 count);
struct connection *planners_find(struct worker *worker, u64 session);
void planners_follow(struct connection *connection);
void planners_say_hello(struct connection *connection);
/* Sends, or keeps it in the outbox until it can be sent. */
void planners_send(struct connection *connection, struct packet *packet);
void planners_beat(struct worker *worker, s64 now_ms);
/* Sends what is due; true if something is left. */
bool planners_flush(struct worker *worker);
void planners_say_bye(struct worker *worker);
void planners_close(struct worker *worker);
/* What welcome, who, ping and refused mean for a connection. */
void planners_hear(struct connection *connection, const struct message *message);
/* From worker.c: what comes on a connection, the timer that flushes, and the way out: gives back
 * what is held and ends the loop when the lanes are done, or soon. */
void worker_receive(void *connection);
void worker_arm_flush(struct worker *worker);
void worker_finish(struct worker *worker);

/* ---- the thread that looks endpoints up ---- */

int lookup_start(struct worker *worker, struct err *err);
/* False if it hangs: the process then ends without it. */
bool lookup_end(struct worker *worker);

/* ---- lanes ---- */

struct lane {
    pthread_t thread;
    struct worker *worker;
    struct queue *queue; /* that it takes from */
};
void lanes_start(struct worker *worker);
void lanes_add_probes(struct worker *worker, u32 count); /* threads for them, if it may have more */
/* After their queue was closed and each has posted NOTE_lane_over. */
void lanes_join(struct worker *worker);

/* ---- assets ---- */

void assets_release(struct task *task);
void assets_close(void);
/* Is there one to close? Never blocks. */
bool assets_are_idle(s64 now_ms);
/* Closes those that nobody has used for long, but for the destinations of jobs that run. May block;
 * now_ms: monotonic. */
void assets_close_idle(s64 now_ms);

struct worker {
    const struct worker_role *role;
    struct config config;
    char *host;
    u8 incarnation[INCARNATION_BYTES];
    struct loop *loop;
    int exit_code;
    bool stopping;
    int flush_timer; /* -1 = none */

    struct connection *connections;
    u64 next_session;

    struct task *tasks;
    u32 held; /* tasks without an answer yet */
    u64 done;
    u64 probes_done, probes_done_before; /* a heartbeat ago */

    struct queue *waiting; /* struct task, to lanes */
    struct queue *probes;  /* struct task, or &tidying, to the threads for probes */
    _Atomic bool tidying;  /* it was told to close what is idle, and has not yet */
    struct queue *notes;   /* struct note, from lanes */
    struct lane *lanes;
    u32 threads;       /* of `lanes` */
    u32 probe_threads; /* of those */
    u32 lanes_left;
    _Atomic u32 busy;
    _Atomic u64 progress; /* of the lanes together */
    _Atomic u64 bytes;

    struct queue *lookups; /* struct lookup, from the thread that looks endpoints up */
    struct queue *lookup_stop;
    pthread_t lookup_thread;
};

#endif

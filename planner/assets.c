/* assets.c: assets that are defined and used are probed every so often, whether a job runs or not,
 * so that who looks knows what the next job would find.
 *
 * Which ones are due the truth says (truth_assets.c), to one planner only. Of each a watcher is
 * asked when something reads it, a mover when something writes it. What nobody answers is a state,
 * too: a worker that has the question for ASSET_PROBE_WAIT_MS hangs in the asset, and with no
 * worker of that role for WORKER_MISSING_MS nobody knows. A worker that is lost or had no room says
 * nothing about the asset: it is asked again, here or elsewhere. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

#define WORKER_MISSING_MS 60000

enum end { END_SOURCE, END_DESTINATION, ENDS };

static const enum role asked_of[ENDS] = {ROLE_watcher, ROLE_mover};

struct question {
    bool wanted;
    bool answered;
    const struct worker *worker; /* that has it; NULL: to be asked */
    bool refused;                /* by who was asked last */
    u32 sequence;
    s64 sent_ms;
    s64 not_before_ms;
};

struct check {
    TAILQ_ENTRY(check) link;
    u64 asset;
    char *name;
    char *address;
    bool create;
    s64 began_ms;
    struct question questions[ENDS];
    /* the worst answer; code Ok: fit as far as is known */
    u32 code;
    char *message;
    struct buf identity;
    u64 bytes_free, bytes_total;
};

struct assets {
    TAILQ_HEAD(check_list, check) checks;
    u32 sequence;
};

struct assets *assets_new(void)
{
    struct assets *assets = memory_or_die(sizeof *assets);

    TAILQ_INIT(&assets->checks);
    return assets;
}

static void check_end(struct assets *assets, struct check *check)
{
    TAILQ_REMOVE(&assets->checks, check, link);
    buf_release(&check->identity);
    free(check->name);
    free(check->address);
    free(check->message);
    free(check);
}

void assets_destroy(struct assets **assets)
{
    struct check *check;

    while ((check = TAILQ_FIRST(&(*assets)->checks)))
        check_end(*assets, check);
    free(*assets);
    *assets = NULL;
}

/* ---- what was found out ---- */

/* Ends the check. */
static void post(struct planner *planner, struct check *check)
{
    struct truth_request *request = memory_or_die(sizeof *request);

    request->kind = TRUTH_ASSET;
    request->asset = check->asset;
    request->address = text_copy(check->address);
    request->unknown = check->code == ERR_WorkerMissing;
    if (check->code != ERR_Ok) {
        request->reason = text_copy(err_name(check->code));
        request->message = text_copy(check->message);
    }
    buf_append(&request->source_identity, check->identity.data, check->identity.size);
    request->bytes_free = check->bytes_free;
    request->bytes_total = check->bytes_total;
    check_end(planner->assets, check);
    truth_post(planner->truth, &request);
}

/* The first failure counts. */
static void settle(struct check *check, struct question *question, u32 code, struct bytes message)
{
    question->answered = true;
    question->worker = NULL;
    if (code == ERR_Ok || check->code != ERR_Ok)
        return;
    check->code = code;
    check->message = text_of_bytes(message);
}

static bool is_answered(const struct check *check)
{
    for (int end = 0; end < ENDS; end++)
        if (check->questions[end].wanted && !check->questions[end].answered)
            return false;
    return true;
}

void assets_tell(struct planner *planner, const struct truth_request *answer)
{
    for (u32 i = 0; i < answer->note_count; i++) {
        const struct asset_note *note = &answer->notes[i];
        struct buf event = {0}, text = {0};

        view_asset(planner->view, note->name);
        if (!note->changed)
            continue;
        if (note->reason)
            log_write(LOG_WARN, NULL, EVENT_asset_failed, "asset=%s state=%s reason=%s message=%s",
                      log_text(note->name), note->state, note->reason,
                      log_text(note->message ? note->message : ""));
        else
            log_write(LOG_INFO, NULL, EVENT_asset_ready, "asset=%s", log_text(note->name));
        buf_printf(&event, "Asset%s", note->state);
        buf_printf(&text, "%s%s%s%s%s", note->name, note->reason ? ": " : "",
                   note->reason ? note->reason : "", note->message ? ": " : "",
                   note->message ? note->message : "");
        view_event(planner->view, "", buf_text(&event), buf_text(&text));
        buf_release(&event);
        buf_release(&text);
    }
}

/* ---- asking ---- */

/* Each of that role in turn, whatever it holds: the question takes no lane. Who is to be drained is
 * asked if there is nobody else. */
static struct worker *choose(struct planner *planner, enum role role)
{
    bool active = worker_exists(planner, role);
    struct worker *worker;
    u32 count = 0, at;

    TAILQ_FOREACH(worker, &planner->workers, link)
    count += worker->role == role && (!active || !worker->draining);
    if (count == 0)
        return NULL;
    at = planner->assets->sequence % count;
    TAILQ_FOREACH(worker, &planner->workers, link)
    if (worker->role == role && (!active || !worker->draining) && at-- == 0)
        return worker;
    return NULL;
}

static void ask(struct planner *planner, struct check *check, enum end end, s64 now_ms)
{
    struct question *question = &check->questions[end];
    struct worker *worker = choose(planner, asked_of[end]);
    struct envelope envelope = {.message = {.kind = MSG_probe_asset}};

    if (!worker)
        return;
    question->sequence = ++planner->assets->sequence;
    envelope.message.probe_asset = (struct msg_probe_asset){
        .asset = check->asset,
        .sequence = question->sequence,
        .address = bytes_text(check->address),
        .write = end == END_DESTINATION,
        .create = end == END_DESTINATION && check->create,
    };
    if (worker_send(planner, worker, &envelope) < 0)
        return;
    question->worker = worker;
    question->sent_ms = now_ms;
}

static void give_up(struct check *check, struct question *question, u32 code, const char *who,
                    const char *what)
{
    struct buf text = {0};

    buf_printf(&text, "%s %s %s", who, what, check->address);
    settle(check, question, code, buf_bytes(&text));
    buf_release(&text);
}

static void move(struct planner *planner, struct check *check, enum end end, s64 now_ms)
{
    struct question *question = &check->questions[end];
    const char *role = role_name(asked_of[end]);

    if (!question->wanted || question->answered)
        return;
    if (question->worker) {
        if (now_ms - question->sent_ms >= ASSET_PROBE_WAIT_MS)
            give_up(check, question, ERR_AssetUnreachable, question->worker->name,
                    "gave no answer: a filesystem that hangs, such as one whose server is away, is "
                    "at");
    } else if (question->refused && now_ms - check->began_ms >= ASSET_PROBE_WAIT_MS) {
        give_up(check, question, ERR_AssetUnreachable, role,
                "still hangs in an earlier look at, or at others and has no room for,");
    } else if (!choose(planner, asked_of[end])) {
        if (now_ms - check->began_ms >= WORKER_MISSING_MS)
            give_up(check, question, ERR_WorkerMissing, role, "is missing, start one to look at");
    } else if (now_ms >= question->not_before_ms) {
        ask(planner, check, end, now_ms);
    }
}

void assets_tick(struct planner *planner, s64 now_ms)
{
    struct check *check, *next;

    for (check = TAILQ_FIRST(&planner->assets->checks); check; check = next) {
        next = TAILQ_NEXT(check, link);
        for (int end = 0; end < ENDS; end++)
            move(planner, check, (enum end)end, now_ms);
        if (is_answered(check))
            post(planner, check);
    }
}

/* One that is under way about the same address goes on: who was asked may take long. */
static bool is_under_way(struct planner *planner, const struct due_asset *due)
{
    struct check *check;

    TAILQ_FOREACH(check, &planner->assets->checks, link)
    {
        if (check->asset != due->id)
            continue;
        if (strcmp(check->address, due->address) == 0)
            return true;
        check_end(planner->assets, check);
        return false;
    }
    return false;
}

void assets_due(struct planner *planner, const struct truth_request *answer)
{
    s64 now_ms = clock_monotonic_ms();

    for (u32 i = 0; i < answer->due_count; i++) {
        const struct due_asset *due = &answer->due[i];
        struct check *check;

        if (is_under_way(planner, due))
            continue;
        check = memory_or_die(sizeof *check);
        check->asset = due->id;
        check->name = text_copy(due->name);
        check->address = text_copy(due->address);
        check->create = due->create;
        check->began_ms = now_ms;
        check->questions[END_SOURCE].wanted = due->source;
        check->questions[END_DESTINATION].wanted = due->destination;
        TAILQ_INSERT_TAIL(&planner->assets->checks, check, link);
    }
    assets_tick(planner, now_ms);
}

/* ---- answers ---- */

/* The open question that this worker has under this number. */
static struct question *find(struct planner *planner, const struct worker *worker, u32 sequence,
                             struct check **out)
{
    struct check *check;

    TAILQ_FOREACH(check, &planner->assets->checks, link)
    for (int end = 0; end < ENDS; end++)
        if (check->questions[end].worker == worker && check->questions[end].sequence == sequence) {
            *out = check;
            return &check->questions[end];
        }
    return NULL;
}

void assets_probed(struct planner *planner, const struct worker *worker,
                   const struct msg_asset_probed *probed)
{
    struct check *check;
    struct question *question = find(planner, worker, probed->sequence, &check);

    if (!question)
        return; /* it was answered for by now */
    settle(check, question, probed->code, probed->message);
    if (probed->code == ERR_Ok && check->identity.size == 0)
        buf_append(&check->identity, probed->identity.data, probed->identity.size);
    check->bytes_free = probed->bytes_free;
    check->bytes_total = probed->bytes_total;
    if (is_answered(check))
        post(planner, check);
}

void assets_busy(struct planner *planner, const struct worker *worker, u32 sequence)
{
    s64 now_ms = clock_monotonic_ms();
    struct check *check;
    struct question *question = find(planner, worker, sequence, &check);

    if (!question)
        return;
    question->worker = NULL;
    question->refused = true;
    question->not_before_ms = now_ms + PROBE_RETRY_MS;
}

void assets_forget_worker(struct planner *planner, const struct worker *worker)
{
    struct check *check;

    TAILQ_FOREACH(check, &planner->assets->checks, link)
    for (int end = 0; end < ENDS; end++)
        if (check->questions[end].worker == worker)
            check->questions[end].worker = NULL;
}

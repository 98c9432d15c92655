/* main.c: the watcher finds what differs. This file is wiring: which messages are tasks, and who
 * runs them. What a worker has in common with the others is svc/worker.h. */
#include "scan_task.h"
#include "svc/probe.h"
#include "svc/worker.h"

static void run(struct task *task, void *lane_state)
{
    (void)lane_state;
    if (task_envelope(task)->message.kind == MSG_probe)
        probe_answer(task, false);
    else if (task_envelope(task)->message.kind == MSG_probe_asset)
        probe_asset_answer(task);
    else
        scan_task_run(task);
}

int main(int argc, char **argv)
{
    static const u32 kinds[] = {MSG_probe, MSG_probe_asset, MSG_scan};
    static const struct worker_role role = {
        .role = ROLE_watcher,
        .kinds = kinds,
        .kind_count = COUNT_OF(kinds),
        .run = run,
    };

    return worker_main(&role, argc, argv);
}

/* commands.c: the table of commands: the one place where they are named, described and connected.
 * Commands of later versions are in it too, so that they are refused by what they are. */
#include "ctl/ctl.h"

#define STACK_OPTION                                                                               \
    "  --state-dir DIR        the embedded stack's directory (SYNCLINE_STATE_DIR)\n"

const struct command commands[] = {
    {"sync", "SRC DST", "keep DST equal to SRC, once, and prove it",
     "Copies what differs from directory SRC to directory DST. Nothing becomes visible at DST\n"
     "before another process has read the staged copy back and compared it. Uses the stack that\n"
     "SYNCLINE_DATABASE_URL names, else the embedded one that is up, else starts one and stops it\n"
     "again at the end.\n\n"
     "  --json                 print the finished job as one JSON object\n"
     "  --progress MODE        auto (a bar on a terminal), bar, plain, json or none\n"
     "  -q, --quiet            print nothing but errors\n"
     "  -v, --verbose          say which stack and job it is\n" STACK_OPTION,
     command_sync},
    {"run", "NAME", "run a synchronization that is defined",
     "  --wait                 wait for the end of the job\n"
     "  --json                 print the job as one JSON object\n"
     "  --timeout D            with --wait: give up waiting after D (exit 10); the job goes on\n"
     "  --progress MODE        auto, bar, plain, json or none\n",
     command_run},
    {"wait", "JOB|NAME", "wait for the end of a job, or of the latest job of a synchronization",
     "  --timeout D            give up waiting after D, such as 30s or 1h30m (exit 10)\n"
     "  --json                 print the finished job as one JSON object\n"
     "  --progress MODE        auto, bar, plain, json or none\n",
     command_wait},
    {"cancel", "JOB", "end a job; what it has published stays", NULL, command_cancel},
    {"get", "KIND [NAME]", "show jobs, workers, assets or syncs, newest first",
     "KIND is jobs (jo), workers (wo), assets (as) or syncs (sy); singular too.\n\n"
     "  -o, --output FORMAT    table, json or name (default: table)\n"
     "  --limit N              at most N (default: 100)\n"
     "  --all                  those that `sync` made, too\n",
     command_get},
    {"report", "JOB", "what became of each item of a job",
     "  --only WHAT            failed, or moved\n"
     "  -o, --output FORMAT    table, or json: one object a line\n"
     "  --limit N              at most N lines (default: 100 in a table, all in json)\n",
     command_report},
    {"status", "", "the stack, its workers, and the jobs that are active",
     "  --json                 as one JSON object\n" STACK_OPTION, command_status},
    {"up", "", "start the embedded stack and return when it is ready",
     "  --planners N, --watchers N, --movers N, --verifiers N\n"
     "                         how many processes of each role (default: 1)\n"
     "  --roots A:B            directories that workers may use, and no others (SYNCLINE_ROOTS)\n"
     "  --foreground           do not detach: for a service manager\n" STACK_OPTION,
     command_up},
    {"scale", "ROLE=N...", "change how many processes of a role the embedded stack has",
     "ROLE is planner, watcher, mover or verifier.\n\n" STACK_OPTION, command_scale},
    {"down", "", "stop the embedded stack, in order", STACK_OPTION, command_down},
    {"hash", "FILE...", "the hash of a file's content, as it stands in the ledger",
     "  --hash KIND            xxh3-128 or sha256 (default: xxh3-128)\n", command_hash},
    {"worker list", "", "the workers that planners see now",
     "  -o, --output FORMAT    table, json or name\n", command_worker_list},
    {"admin migrate", "", "bring the database to this version's schema", NULL, command_migrate},
    {"version", "", "print the version", NULL, command_version},
    {"help", "[COMMAND]", "print this, or the help of a command", NULL, command_help},
    {"supervise", "", NULL, NULL, command_supervise},
    {"apply", "", NULL, NULL, NULL},
    {"delete", "", NULL, NULL, NULL},
    {"diff", "", NULL, NULL, NULL},
    {"describe", "", NULL, NULL, NULL},
    {"suspend", "", NULL, NULL, NULL},
    {"resume", "", NULL, NULL, NULL},
    {"verify", "", NULL, NULL, NULL},
    {"retry", "", NULL, NULL, NULL},
    {"approve", "", NULL, NULL, NULL},
    {"events", "", NULL, NULL, NULL},
    {"doctor", "", NULL, NULL, NULL},
    {"filter test", "", NULL, NULL, NULL},
    {"barrier", "", NULL, NULL, NULL},
    {"failover", "", NULL, NULL, NULL},
    {"failback", "", NULL, NULL, NULL},
    {"worker drain", "", NULL, NULL, NULL},
    {"admin rebuild-redis", "", NULL, NULL, NULL},
    {"admin gc", "", NULL, NULL, NULL},
    {"admin backup", "", NULL, NULL, NULL},
    {"keys init", "", NULL, NULL, NULL},
    {"keys add", "", NULL, NULL, NULL},
    {"keys list", "", NULL, NULL, NULL},
    {"keys revoke", "", NULL, NULL, NULL},
    {"completion", "", NULL, NULL, NULL},
    {0},
};

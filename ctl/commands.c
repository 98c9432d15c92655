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
     "again at the end. The flags of this run replace those of earlier ones of the same pair.\n\n"
     "  -n, --dry-run          write nothing at DST; print a line for each thing that would be "
     "done\n"
     "  --exit-code            with -n: exit 1 if anything differs\n"
     "  --delete               remove what only DST has, at the end\n"
     "  --max-delete N|P%      hold the job if more would be removed (default: 50%, and never for "
     "10\n"
     "                         or fewer); what is held waits for syncline approve\n"
     "  --exclude P, --include P\n"
     "                         leave out, or take, what P matches; may be given again, the first\n"
     "                         that matches decides. No slash: a name at any depth; a slash in "
     "front\n"
     "                         or inside: from the root; at the end: directories only; ** crosses\n"
     "                         directories. See syncline filter test\n"
     "  --checksum             compare content where size and time are equal\n"
     "  --preserve LIST        of mode,owner,times,xattrs,acls,hardlinks,sparse; all or none\n"
     "                         (default: all)\n"
     "  --durability KIND      standard or strict (default: standard)\n"
     "  --hash KIND            xxh3-128 or sha256 (default: xxh3-128)\n"
     "  --json                 print the finished job as one JSON object\n"
     "  --progress MODE        auto (a bar on a terminal), bar, plain, json or none\n"
     "  -q, --quiet            print nothing but errors\n"
     "  -v, --verbose          say which stack and job it is\n" STACK_OPTION,
     command_sync},
    {"run", "NAME", "run a synchronization or a plan now",
     "Of a plan: beside its schedule. Exit code 5 if a job of it is active.\n\n"
     "  --wait                 wait for the end of the job\n"
     "  -n, --dry-run          write nothing, keep a list of what would be done; with --wait: "
     "print it\n"
     "  --plan JOB             do what the dry run JOB listed, as far as it still holds, and "
     "nothing "
     "else\n"
     "  --json                 print the job as one JSON object\n"
     "  --timeout D            with --wait: give up waiting after D (exit 10); the job goes on\n"
     "  --progress MODE        auto, bar, plain, json or none\n",
     command_run},
    {"wait", "JOB|NAME", "wait for the end of a job, or of a synchronization's latest one",
     "Of a synchronization or a plan: its active job, else its latest one. A time of a plan that\n"
     "was skipped has ended: exit code 0, and why.\n\n"
     "  --for CONDITION        finished (the default)\n"
     "  --timeout D            give up waiting after D, such as 30s or 1h30m (exit 10)\n"
     "  --json                 print the finished job as one JSON object\n"
     "  --progress MODE        auto, bar, plain, json or none\n",
     command_wait},
    {"cancel", "JOB", "end a job; what it has published stays",
     "  --wait                 wait for its end: exit 0 if it was cancelled, else as `wait`\n"
     "  --json                 print the job as one JSON object\n"
     "  --timeout D            with --wait: give up waiting after D (exit 10)\n"
     "  --progress MODE        auto, bar, plain, json or none\n",
     command_cancel},
    {"retry", "JOB", "do what a job was asked for once more",
     "  --failed-only          only what failed, changed or vanished in it, with the directories\n"
     "                         above; removes nothing. At most 4,096 items\n"
     "  --wait                 wait for the end of the job\n"
     "  --json                 print the job as one JSON object\n"
     "  --timeout D            with --wait: give up waiting after D (exit 10); the job goes on\n"
     "  --progress MODE        auto, bar, plain, json or none\n",
     command_retry},
    {"suspend", "NAME", "start no job of a synchronization, until it is resumed",
     "A job that runs goes on. `run`, `sync` and `approve` are refused with exit code 5. Times of\n"
     "a plan that come until it is resumed are skipped; what waits for its turn goes on waiting.\n",
     command_suspend},
    {"resume", "NAME", "let jobs of a synchronization start again",
     "A plan goes on with its next time: those that came while it was suspended are Skipped, with\n"
     "reason PlanSuspended.\n",
     command_resume},
    {"approve", "JOB", "let a job that is Held remove what it listed",
     "A job is Held when it would remove more than --max-delete allows, or when its source or its\n"
     "destination is not the directory that it was. Look first: syncline report JOB "
     "--only=removed.\n"
     "A job that Failed with SourceChanged is approved too: its source is accepted as it is "
     "now.\n\n"
     "  --wait                 wait for the end of the job\n"
     "  --json                 print the job as one JSON object\n"
     "  --timeout D            with --wait: give up waiting after D (exit 10); the job goes on\n"
     "  --progress MODE        auto, bar, plain, json or none\n",
     command_approve},
    {"verify", "NAME", "read everything at a destination again and compare it with the ledger",
     "Prints what is rotten (other bytes, though size and time are those that were proven), "
     "drifted\n"
     "(changed by somebody else), missing, and extra (never put there by a job). Exit code 11 if\n"
     "something is rotten, drifted or missing and was not repaired.\n\n"
     "  --repair               put it again from the source, and prove it\n"
     "  --no-wait              print the name of the job and return\n"
     "  --json                 print the finished job as one JSON object\n"
     "  --timeout D            give up waiting after D (exit 10); the job goes on\n"
     "  --progress MODE        auto, bar, plain, json or none\n",
     command_verify},
    {"filter test", "NAME PATH...", "say which paths a synchronization takes, and by which rule",
     "Paths are relative to the root of the tree and need not exist; one with a slash at its end "
     "is\n"
     "a directory. Rules are numbered from 1; what is below a directory that is left out is left\n"
     "out. Reads only.\n\n"
     "  --exclude P, --include P\n"
     "                         rules to try in front of those of NAME; may be given again\n",
     command_filter_test},
    {"apply", "-f FILE", "define assets, synchronizations and plans, all or none of them",
     "Definitions are YAML documents: kind Asset, Synchronization or SynchronizationPlan, a name,\n"
     "and a spec; see docs/definitions.md. What is the same already is left alone. A job that "
     "runs\n"
     "keeps what it was started with, but for its limits. A plan that is new or comes at other\n"
     "moments begins with its first time after now.\n\n"
     "  -f, --file FILE        a file, a directory (its *.yaml, *.yml, *.json), or - for the "
     "input;\n"
     "                         may be given again\n"
     "  -n, --dry-run          check everything, say what would be done, and change nothing\n",
     command_apply},
    {"diff", "-f FILE", "show what apply would change; exit code 1 if anything",
     "  -f, --file FILE        as for apply\n", command_diff},
    {"delete", "KIND/NAME...", "delete definitions, all or none of them",
     "A synchronization or plan goes with its jobs; not while one is active. An asset goes with "
     "what\n"
     "is known of its objects; not while a synchronization uses it. No file is touched.\n\n"
     "  -f, --file FILE        instead of names: all that are defined there\n",
     command_delete},
    {"set", "NAME FIELD=VALUE...", "change fields of a synchronization, also while its job runs",
     "A field is written as below spec, with dots: limits.bandwidth=10MiB/s; nothing behind the =\n"
     "takes it out. A job that runs takes new limits at once; all else is for the next one. NAME "
     "may\n"
     "be asset/NAME, too.\n",
     command_set},
    {"get", "KIND [NAME]", "show jobs, workers, assets, syncs or plans, newest first",
     "KIND is jobs (jo), workers (wo), assets (as), syncs (sy) or plans (pl); singular too.\n\n"
     "  -o, --output FORMAT    table, wide, json, name or yaml (default: table); yaml of assets,\n"
     "                         syncs and plans is what apply takes\n"
     "  -w, --watch            go on, and print again what changes, until interrupted or nobody "
     "reads;\n"
     "                         of what is gone: KIND/NAME deleted, in JSON \"deleted\": true\n"
     "  -l, --selector S       those with such labels: team=media,tier!=gold,env in "
     "(a,b),has,!has.\n"
     "                         A job has those of its synchronization; a worker is selected by "
     "what it\n"
     "                         is: role=mover,state=drained,host=a\n"
     "  --limit N              at most N (default: 100)\n"
     "  --all                  those that `sync` made, too\n",
     command_get},
    {"describe", "KIND/NAME", "everything about one asset, sync, plan or job, and what to do next",
     "Of a plan also its next five times, as the clocks of its zone show them and in UTC.\n",
     command_describe},
    {"report", "JOB", "what became of each item of a job",
     "  --only WHAT            failed, moved, removed (a Held job: what it would remove), or "
     "verify\n"
     "  -o, --output FORMAT    table; json: one object a line; csv: RFC 4180, with a header line\n"
     "  --limit N              at most N lines (default: 100 in a table, else all)\n",
     command_report},
    {"events", "", "what happened to jobs, newest last; from Postgres alone",
     "  --job JOB              of this job only\n"
     "  -w, --watch            go on as events come, until SIGINT (exit 130) or nobody reads\n"
     "  -o, --output FORMAT    table, or json: one object a line\n"
     "  --limit N              at most the N newest (default: 100)\n",
     command_events},
    {"status", "", "the stack, its workers, and the jobs that are active",
     "  -w, --watch            on the whole terminal, each second anew, until q or SIGINT (exit "
     "130)\n"
     "  --json                 as one JSON object\n" STACK_OPTION,
     command_status},
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
     "That of a file from 128 MiB on is the hash of the digests of its parts of 64 MiB, one after "
     "the\n"
     "other, as several movers carry it; below that it is what xxh128sum and sha256sum print.\n\n"
     "  --hash KIND            xxh3-128 or sha256 (default: xxh3-128)\n",
     command_hash},
    {"worker list", "", "the workers that planners see now",
     "  -o, --output FORMAT    table, wide, json, name or yaml\n", command_worker_list},
    {"worker drain", "ID", "give a worker nothing new, so that its process can be ended",
     "Ending a worker at any moment is safe; drained first, nothing that it had begun is done "
     "again.\n"
     "It is drained when syncline worker list says so.\n\n"
     "  --undo                 let it take work again\n",
     command_worker_drain},
    {"doctor", "", "look whether this host and the services are fit, and say what to do",
     "Versions, what the kernel has and allows, limits, clocks, permissions, disks; Postgres, "
     "Redis,\n"
     "planners and workers; what waits for a person. Reads only. Exit code 4 if a service cannot "
     "be\n"
     "reached, 7 if something else failed; warnings are none.\n\n"
     "  --json                 as one JSON object\n" STACK_OPTION,
     command_doctor},
    {"admin backup", "FILE", "write truth into a file that pg_restore takes",
     "FILE must not exist. The data itself is not in it: losing Postgres loses history, never "
     "data.\n",
     command_backup},
    {"admin rebuild-redis", "", "throw the view away; a planner writes it anew from Postgres", NULL,
     command_rebuild_redis},
    {"admin gc", "", "delete what was kept long enough, as planners do each minute",
     "Events of more than 30 days, ended jobs beyond historyLimit, synchronizations that `sync` "
     "made\n"
     "30 days after their last job, what is proven of assets that are gone.\n",
     command_gc},
    {"admin migrate", "", "bring the database to this version's schema", NULL, command_migrate},
    {"completion", "SHELL", "print what makes a shell complete commands, options and names",
     "SHELL is bash. To use it: source <(syncline completion bash). make install puts it where "
     "bash\n"
     "finds it.\n",
     command_completion},
    {"version", "", "print the version", NULL, command_version},
    {"help", "[COMMAND]", "print this, or the help of a command", NULL, command_help},
    {"supervise", "", NULL, NULL, command_supervise},
    {"barrier", "", NULL, NULL, NULL},
    {"failover", "", NULL, NULL, NULL},
    {"failback", "", NULL, NULL, NULL},
    {"keys init", "", NULL, NULL, NULL},
    {"keys add", "", NULL, NULL, NULL},
    {"keys list", "", NULL, NULL, NULL},
    {"keys revoke", "", NULL, NULL, NULL},
    {0},
};

#!/usr/bin/env bats
# Any number of workers and planners, also while a job runs.

load ../harness/stack
load ../harness/jobs

setup() {
  stack_setup
  trees_in_memory
}
teardown() { stack_teardown; }

@test "1, 2 and 4 movers, 2 watchers, 2 verifiers, 2 planners carry the same tree" {
  # Goal: numbers of processes change nothing but speed, and all of them work.
  # Method: a tree that is slow to read, staged copies too, to an empty place with each number; every mover and verifier has done tasks.
  seed_use
  tree_make "$WORK/src" 1500
  syncline up --watchers 2 --verifiers 2 --planners 2
  for movers in 1 2 4; do
    syncline scale "mover=$movers"
    mkdir "$WORK/dst$movers"
    sync_define "with$movers" "fault:delay_ms=2;dir:$WORK/src" "fault:delay_ms=3;dir:$WORK/dst$movers"
    job_run "with$movers"
    is_whole "$WORK/with$movers.json" "$WORK/src"
    same_tree "$WORK/src" "$WORK/dst$movers"
    for ((i = 1; i <= movers; i++)); do eventually 5 has_done "mover-$i" 1; done
  done
  eventually 5 has_done verifier-1 1
  eventually 5 has_done verifier-2 1
}

@test "real trees by four movers at once, each pair its own job" {
  # Goal: many jobs at once on many workers are as good as one.
  # Method: four real trees in four jobs that run together; each is compared and adds up.
  syncline up --watchers 2 --movers 4 --verifiers 2 --planners 2
  trees=("$(real_tree 15000 /usr/share/perl /usr/lib/python3)"
    "$(real_tree 15000 /usr/share/zoneinfo /usr/share/i18n)"
    "$(real_tree 15000 /usr/share/locale /usr/share/icons /usr/include /usr/share/doc)"
    "$(real_tree 15000 /usr/share/postgresql /usr/share/vim /usr/share/mime)")
  waiters=()
  for i in 0 1 2 3; do
    syncline sync --json --progress=none "${trees[i]}" "$WORK/dst$i" >"$WORK/$i.json" 2>"$WORK/$i.err" 3>&- &
    waiters+=($!)
    STACK_STARTED+=($!)
  done
  for i in 0 1 2 3; do
    wait "${waiters[i]}"
    is_whole "$WORK/$i.json" "${trees[i]}"
    same_tree "${trees[i]}" "$WORK/dst$i"
  done
  [ "$(stack_psql -c "SELECT count(*) FROM v_jobs WHERE phase = 'Succeeded'")" = 4 ]
}

@test "workers and planners join and leave while a job runs" {
  # Goal: who joins gets work, and who leaves takes none with it.
  # Method: a job slowed down by its reads; more of each role until the new movers have done something, then one of
  # each again, twice.
  seed_use
  tree_make "$WORK/src" 4500
  mkdir "$WORK/dst"
  syncline up
  sync_define long "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start long
  eventually 20 job_has long "phase = 'Running'"
  for _ in 1 2; do
    syncline scale mover=3 watcher=2 verifier=2 planner=2
    eventually 20 has_done mover-3 1
    is_running "$JOB_WAITER"
    syncline scale mover=1 watcher=1 verifier=1 planner=1
  done
  is_running "$JOB_WAITER"
  job_wait long
  is_whole "$WORK/long.json" "$WORK/src"
  same_tree "$WORK/src" "$WORK/dst"
  ledger_is_true long "$WORK/dst"
}

#!/usr/bin/env bats
# bats file_tags=slow
# kill -9 of any process at any moment of whole jobs: the job succeeds, nothing is left, each item counted once.

load ../harness/stack
load ../harness/jobs

setup() {
  stack_setup
  trees_in_memory
}
teardown() { stack_teardown; }

# kill_at_random MOST NAME…: kills one of these at a time, at random moments, while the job's waiter runs
kill_at_random() {
  local most=$1 name
  shift
  KILLS=0
  while ((KILLS < most)) && is_running "$JOB_WAITER"; do
    name=${*:RANDOM % $# + 1:1}
    if stack_kill_one "$name"; then KILLS=$((KILLS + 1)); fi
    sleep "0.$((RANDOM % 5))$((RANDOM % 10))" # the moment is what is random
  done
  echo "# $KILLS kills" >&3
}

# carried NAME SRC DST: the job that has ended carried all to an empty place, and its ledger says what is there
carried() {
  is_whole "$WORK/$1.json" "$2"
  same_tree "$2" "$3"
  ledger_is_true "$1" "$3"
}

@test "any of the four programs, killed again and again" {
  # Goal: whoever is killed, and when, the job succeeds and each item is counted once.
  # Method: two jobs of a tree that is slow to read, kills at random moments; sums, trees and ledger compared.
  seed_use
  tree_make "$WORK/src" 800
  syncline up --movers 2
  for job in one two; do
    mkdir "$WORK/$job"
    sync_define "$job" "fault:delay_ms=15;dir:$WORK/src" "$WORK/$job"
    job_start "$job"
    kill_at_random 14 planner-1 watcher-1 mover-1 mover-2 verifier-1
    job_wait "$job"
    [ "$KILLS" -ge 5 ]
    carried "$job" "$WORK/src" "$WORK/$job"
  done
}

@test "any process at all, Postgres and Redis too" {
  # Goal: the same, when the services die as well.
  # Method: as before, with all six processes.
  seed_use
  tree_make "$WORK/src" 800
  mkdir "$WORK/dst"
  syncline up
  sync_define all "fault:delay_ms=15;dir:$WORK/src" "$WORK/dst"
  job_start all
  kill_at_random 14 planner-1 watcher-1 mover-1 verifier-1 postgres-1 redis-1
  job_wait all
  [ "$KILLS" -ge 5 ]
  carried all "$WORK/src" "$WORK/dst"
}

@test "changes of a tree arrive whole whoever is killed, and new is never replaced by old" {
  # Goal: an update under kills is an update: what did not differ is unchanged, extras stay.
  # Method: sync, change a third of the files, sync under kills; counters against what was changed.
  seed_use
  tree_make "$WORK/src" 900
  mkdir "$WORK/dst"
  syncline up
  sync_define change "fault:delay_ms=20;dir:$WORK/src" "$WORK/dst"
  syncline sync -q "$WORK/src" "$WORK/dst"
  count=0
  while IFS= read -r -d '' path; do
    [ $((RANDOM % 2)) = 0 ] || continue
    echo "$RANDOM" >>"$path"
    count=$((count + 1))
  done < <(find "$WORK/src" -type f -print0 | LC_ALL=C sort -z)
  job_start change
  kill_at_random 10 planner-1 watcher-1 mover-1 verifier-1
  job_wait change
  [ "$KILLS" -ge 3 ]
  adds_up "$WORK/change.json"
  same_tree "$WORK/src" "$WORK/dst"
  [ "$(jq -r .phase "$WORK/change.json")" = Succeeded ]
  [ "$(jq .counters.scanned "$WORK/change.json")" = "$(tree_entries "$WORK/src")" ]
  [ "$(jq .counters.failed "$WORK/change.json")" = 0 ]
  # what was published before a kill and not settled may be put again, so at least these
  [ "$(jq .counters.moved "$WORK/change.json")" -ge "$count" ]
}

@test "Redis wiped every second" {
  # Goal: the view decides nothing.
  # Method: FLUSHALL each second through a whole job, which must see at least three; then the view is there again.
  seed_use
  tree_make "$WORK/src" 800
  mkdir "$WORK/dst"
  syncline up
  sync_define wiped "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start wiped
  wipes=0
  while is_running "$JOB_WAITER"; do
    stack_redis FLUSHALL >/dev/null
    wipes=$((wipes + 1))
    eventually 10 view_or_end wiped
    sleep 0.9
  done
  job_wait wiped
  [ "$wipes" -ge 3 ]
  carried wiped "$WORK/src" "$WORK/dst"
  eventually 10 view_has wiped moved "$(jq .counters.moved "$WORK/wiped.json")"
}

# the job is in the view again, or has ended
view_or_end() { view_has "$1" scanned 0 || ! is_running "$JOB_WAITER"; }

# owner_of NAME: "name number-of-the-process-row epoch" of the planner that owns the latest job
owner_of() {
  stack_psql -F ' ' -c "SELECT p.name, p.id, j.epoch FROM job j JOIN planner p ON p.id = j.owner
    JOIN synchronization s ON s.id = j.synchronization WHERE s.name = '$1' ORDER BY j.id DESC LIMIT 1"
}
# another process owns the job than OWNER, under a higher epoch
owns_another() {
  local old now
  read -r -a old <<<"$2"
  read -r -a now <<<"$(owner_of "$1" 2>/dev/null)"
  [[ -n ${now[0]:-} && ${now[1]} != "${old[1]}" ]] && ((now[2] > old[2]))
}

@test "the planner that owns the job is killed, and another takes over" {
  # Goal: a job does not wait for its planner to come back, and one that comes back does no harm.
  # Method: two planners; kill the owner: another process owns the job, under a higher epoch; then stop the owner
  # (SIGSTOP): the other one takes over when the lease is over; SIGCONT in mid-job.
  seed_use
  tree_make "$WORK/src" 800
  mkdir "$WORK/dst"
  syncline up --planners 2
  sync_define owned "fault:delay_ms=20;dir:$WORK/src" "$WORK/dst"
  job_start owned
  eventually 10 job_has owned "phase = 'Running'"
  owner=$(owner_of owned)
  kill -KILL "$(stack_pid "${owner%% *}")"
  eventually 10 owns_another owned "$owner"
  eventually 10 job_has owned "phase = 'Running'"
  owner=$(owner_of owned)
  pid=$(stack_pid "${owner%% *}")
  kill -STOP "$pid"
  eventually 20 owns_another owned "$owner"
  is_stopped "$pid"
  eventually 10 job_has owned "phase = 'Running'"
  kill -CONT "$pid"
  job_wait owned
  carried owned "$WORK/src" "$WORK/dst"
  [ "$(stack_pid "${owner%% *}")" = "$pid" ]
}

@test "Postgres stopped at once in mid-job, and started again" {
  # Goal: work in flight goes on, nothing is acknowledged meanwhile, and nothing is lost or counted twice.
  # Method: SIGQUIT to the postmaster (immediate stop), three times at points of progress; the supervisor restarts it.
  seed_use
  tree_make "$WORK/src" 800
  mkdir "$WORK/dst"
  syncline up
  sync_define stopped "fault:delay_ms=15;dir:$WORK/src" "$WORK/dst"
  job_start stopped
  for files in 50 250 550; do
    eventually 30 at_least "$WORK/dst" "$files"
    pid=$(stack_pid postgres-1)
    kill -QUIT "$pid"
    eventually 15 is_another postgres-1 "$pid"
  done
  job_wait stopped
  carried stopped "$WORK/src" "$WORK/dst"
}

# so many files are published
at_least() { (($(find "$1" -name .syncline -prune -o -type f -printf x | wc -c) >= $2)); }

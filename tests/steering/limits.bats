#!/usr/bin/env bats
# bats file_tags=slow
# Limits of a running job, and places that are full for a while. On the whole stack.

load ../harness/stack
load ../harness/jobs

setup() { stack_setup; }
teardown() { stack_teardown; }

# spec_set NAME JSON: the options of a synchronization, as `apply` leaves them
spec_set() {
  stack_psql -v name="$1" -v spec="$2" <<'SQL'
    UPDATE synchronization SET spec = :'spec'::jsonb WHERE name = :'name';
    NOTIFY syncline_jobs;
SQL
}

# files DIRECTORY COUNT KIB: so many files of that size
files() {
  local i
  mkdir -p "$1"
  for ((i = 0; i < $2; i++)); do head -c "$(($3 * 1024))" /dev/zero | tr '\0' "$((i % 10))" >"$1/f$i"; done
}

log_count() { cat "$STACK"/log/planner-*.log | grep -c "event=$1 " || true; }
log_has() { (($(log_count "$1") > 0)); }

# sampled JOB: the tasks of movers that the job has at this moment, as Redis shows it, a line each
sampled() {
  stack_redis EVAL "
    local found = {}
    for _, key in ipairs(redis.call('KEYS', 'syncline:batch:' .. ARGV[1] .. ':*')) do
      local step = redis.call('HGET', key, 'step')
      local lease = redis.call('ZSCORE', 'syncline:leases', string.sub(key, 16))
      if (step == 'stage' or step == 'publish' or step == 'part') and lease then table.insert(found, key .. step) end
    end
    return found" 0 "$1" | LC_ALL=C sort
}

@test "a bandwidth is kept by two movers together" {
  # Goal: content is read no faster than the definition says, whoever reads it.
  # Method: 40 MiB in three batches at 10 MiB/s, two movers; the times of the job itself.
  files "$WORK/src" 640 64
  mkdir "$WORK/dst"
  syncline up --movers 2
  sync_define slow "$WORK/src" "$WORK/dst"
  spec_set slow '{"limits": {"bandwidth": "10MiB/s"}}'
  job_run slow
  is_whole "$WORK/slow.json" "$WORK/src"
  same_tree "$WORK/src" "$WORK/dst"
  took=$(stack_psql -c "SELECT extract(epoch FROM finished_at - started_at) FROM v_jobs WHERE name = 'slow-1'")
  echo "took $took s" >&2
  [ "$(stack_psql -c "SELECT $took > 3.5")" = t ]
}

@test "a bandwidth is changed while the job runs" {
  # Goal: a job that would take days is done at once when its limit goes; until then it is slow, and not lost.
  # Method: 1 KiB/s, which reads nothing for longer than an assignment may stand still; then none.
  files "$WORK/src" 40 1024
  mkdir "$WORK/dst"
  syncline up
  sync_define slow "$WORK/src" "$WORK/dst"
  spec_set slow '{"limits": {"bandwidth": "1KiB/s"}}'
  job_start slow
  eventually 30 job_has slow "phase = 'Running' AND now() - started_at > interval '12 s'"
  [ "$(log_count batch_lapsed)" = 0 ]
  job_has slow "moved = 0"
  # what is written wrong changes nothing, and the job goes on
  spec_set slow '{"limits": {"bandwidth": "many"}}'
  eventually 10 log_has failure
  [ "$(log_count limits_changed)" = 0 ]
  spec_set slow '{}'
  job_wait slow
  is_whole "$WORK/slow.json" "$WORK/src"
  same_tree "$WORK/src" "$WORK/dst"
  [ "$(log_count limits_changed)" = 1 ]
  [ "$(log_count batch_lapsed)" = 0 ]
}

@test "a limit comes to a job that runs, and a job that is slow is cancelled at once" {
  # Goal: lanes in the middle of a file follow, and give up when nobody wants what they read.
  # Method: a file that would take hours, on a source that is slow until the limit is there; then cancel.
  files "$WORK/src" 1 65536
  mkdir "$WORK/dst"
  syncline up
  sync_define slow "fault:delay_ms=200;dir:$WORK/src" "$WORK/dst"
  job_start slow
  eventually 10 eval '[[ $(sampled slow-1) == *stage* ]]'
  spec_set slow '{"limits": {"bandwidth": "1KiB/s"}}'
  eventually 10 log_has limits_changed
  syncline cancel slow-1
  eventually 10 job_has slow "phase = 'Cancelled'"
  code=0
  job_wait slow 2>/dev/null || code=$?
  [ "$code" = 9 ]
  no_leftovers "$WORK/dst"
}

@test "no more lanes are used than the definition says" {
  # Goal: limits.lanes holds over all movers, and what it holds back is done all the same.
  # Method: many small batches, three movers of several lanes, two lanes allowed; the view is looked at all the time.
  # Reads are slow, so that a task is seen by two looks.
  tree_make "$WORK/src" 3000
  mkdir "$WORK/dst"
  syncline up --movers 3
  sync_define few "fault:delay_ms=3;dir:$WORK/src" "$WORK/dst"
  spec_set few '{"limits": {"lanes": 2}}'
  job_start few
  most=0
  before=
  while is_running "$JOB_WAITER"; do
    now=$(sampled few-1)
    # what two looks have: the view is written in steps, and one may show what ended beside what took its place
    both=$(LC_ALL=C comm -12 <(echo "$before") <(echo "$now") | grep -c syncline || true)
    before=$now
    ((both <= most)) || most=$both
  done
  job_wait few
  same_tree "$WORK/src" "$WORK/dst"
  echo "at most $most" >&2
  [ "$most" -gt 0 ]
  [ "$most" -le 2 ]
}

# random_files COUNT BYTES: at the source; the destination is there
random_files() {
  local i
  mkdir -p "$WORK/src" "$WORK/dst"
  for ((i = 1; i <= $1; i++)); do head -c "$2" /dev/urandom >"$WORK/src/f$i"; done
}

# small_disk SIZE RETRY [OPTION...]: a destination of that size, a stack that is up with these options, and
# synchronization full, which tries again so. In a namespace.
small_disk() {
  mount -t tmpfs -o "size=$1,mode=755" none "$WORK/dst"
  syncline up -q "${@:3}"
  trap 'syncline down -q' EXIT
  sync_define full "$WORK/src" "$WORK/dst"
  spec_set full "{\"retry\": {$2}}"
}

# in_namespace SCRIPT: with a mount namespace of its own, and these functions
in_namespace() {
  unshare -m true 2>/dev/null || skip "needs mount namespaces"
  declare -f syncline stack_pid stack_psql stack_redis no_leftovers same_tree tree_list eventually sync_define spec_set small_disk \
    job_start job_wait job_run job_has sql_is log_count log_has is_whole adds_up tree_entries tree_bytes >"$BASE/functions"
  { printf 'set -eu\nSTACK_STARTED=()\n. "$BASE/functions"\n'; cat; } >"$BASE/script"
  BASE=$BASE SYNCLINE_BIN=$SYNCLINE_BIN unshare -m --propagation private bash "$BASE/script"
}

@test "a full disk is waited for, and the job goes on by itself" {
  # Goal: a defined synchronization whose destination is full says so everywhere, makes no storm, and is done when
  # there is room, with nothing counted as failed.
  # Method: a small tmpfs, made larger while the job waits.
  random_files 600 20000
  in_namespace <<'SCRIPT'
small_disk 2m '"attempts": 1000, "backoff": "100ms", "maxBackoff": "500ms"' --movers 2
job_start full
eventually 20 job_has full "waiting_for LIKE 'space at full-dst: no space left at the destination (since %; next try at %Z, % of 1000)'"
syncline status | grep -F 'full-1 waits for space at full-dst: '
eventually 5 eval '[[ $(stack_redis HGET syncline:job:full-1 waiting_for) == "space at full-dst:"* ]]'
[[ $(syncline get job full-1 -o json | jq -r .waitingFor) == 'space at full-dst:'* ]]
eventually 20 eval '(($(log_count place_tried) >= 4))'
[[ $(log_count job_waits) == 1 ]]
job_has full "phase = 'Running' AND failed = 0"
# one trial at a time, none before its time: in two seconds and a half no more than that
tried=$(log_count place_tried)
since=$EPOCHREALTIME
eventually 20 eval '(($(log_count place_tried) >= tried + 3))'
(( (${EPOCHREALTIME/./} - ${since/./}) >= 900000 ))
mount -o remount,size=64m "$WORK/dst"
job_wait full
is_whole "$WORK/full.json" "$WORK/src"
same_tree "$WORK/src" "$WORK/dst"
[[ $(jq -r '.waitingFor // ""' "$WORK/full.json") == "" ]]
log_has place_back
SCRIPT
}

@test "a disk that stays full ends the job when its attempts are used up" {
  # Goal: the end is that of a job that does not wait: Failed, NoSpace, with a row for what failed; no staging area.
  # Method: three attempts on a tmpfs that stays small; one attempt only, which is no wait at all.
  random_files 60 60000
  in_namespace <<'SCRIPT'
small_disk 1m '"attempts": 3, "backoff": "50ms"'
code=0
job_run full 2>/dev/null || code=$?
[[ $code == 7 ]]
grep -qx '  next: syncline report full-1 --only=failed' "$WORK/full.err"
[[ $(jq -r '.phase + " " + .reason' "$WORK/full.json") == "Failed NoSpace" ]]
[[ $(log_count job_waits) == 1 ]]
(($(log_count place_tried) >= 1))
[[ $(stack_psql -c "SELECT count(*) > 0 FROM v_failures WHERE job = 'full-1' AND code = 'NoSpace'") == t ]]
no_leftovers "$WORK/dst"
spec_set full '{"retry": {"attempts": 1}}'
code=0
job_run full 2>/dev/null || code=$?
[[ $code == 7 ]]
[[ $(log_count job_waits) == 1 ]]
no_leftovers "$WORK/dst"
SCRIPT
}

@test "a job that waits for a place is cancelled" {
  # Goal: nobody has to wait for the place to end the job.
  # Method: a full destination, with waits of an hour; cancel.
  random_files 60 60000
  in_namespace <<'SCRIPT'
small_disk 1m '"backoff": "1h", "maxBackoff": "1h"'
job_start full
eventually 20 job_has full "waiting_for LIKE 'space at full-dst: %'"
syncline cancel full-1
code=0
job_wait full 2>/dev/null || code=$?
[[ $code == 9 ]]
no_leftovers "$WORK/dst"
SCRIPT
}

@test "a source that is away for a while is waited for" {
  # Goal: what cannot be reached any more is no failed item, and the job goes on when it is back.
  # Method: the source is not at its place for a while, in the middle of a job. Its path begins with the destination's, so
  # that no text tells which of them is away.
  tree_make "$WORK/dst.src" 3000
  mkdir "$WORK/dst"
  syncline up
  sync_define away "fault:delay_ms=2;dir:$WORK/dst.src" "$WORK/dst"
  spec_set away '{"retry": {"attempts": 1000, "backoff": "50ms", "maxBackoff": "200ms"}}'
  job_start away
  eventually 20 view_has away moved 1
  mv "$WORK/dst.src" "$WORK/away"
  eventually 20 job_has away "waiting_for LIKE 'away-src: %(since %'"
  eventually 20 eval '(($(log_count place_tried) >= 2))'
  [ "$(log_count job_waits)" = 1 ]
  mv "$WORK/away" "$WORK/dst.src"
  job_wait away
  jq -e '.phase == "Succeeded" and .counters.failed == 0' "$WORK/away.json"
  same_tree "$WORK/dst.src" "$WORK/dst"
}

@test "a destination that is away when the job begins is waited for" {
  # Goal: a probe that fails is tried again, too; a place that is missing is not waited for, as nobody said that it
  # would come.
  # Method: a destination of root's, as an ordinary user; then it is that user's.
  [ "$EUID" -eq 0 ] || skip "needs root to become another user"
  install -d -o nobody -g nogroup "$BASE/u" "$BASE/home"
  tree_make "$WORK/src" 50
  mkdir "$WORK/dst"
  chmod -R a+rX "$WORK/src"
  syncline() { as_user syncline --state-dir "$BASE/u/s" "$@"; }
  STACK=$BASE/u/s
  TREE_OWNERS_DIFFER=1
  syncline up
  sync_define shut "$WORK/src" "$WORK/dst"
  spec_set shut '{"retry": {"attempts": 1000, "backoff": "50ms", "maxBackoff": "200ms"}}'
  syncline run shut
  eventually 20 job_has shut "waiting_for LIKE 'shut-dst: the destination cannot be written (since %'"
  job_has shut "phase = 'Probing'"
  eventually 20 eval '(($(log_count place_tried) >= 2))'
  chown nobody:nogroup "$WORK/dst"
  eventually 20 job_has shut "phase = 'Succeeded'"
  [ "$(log_count place_back)" = 1 ]
  sync_define none "$WORK/src" "$WORK/none"
  code=0
  syncline run none --wait >/dev/null 2>&1 || code=$?
  [ "$code" = 7 ]
  job_has none "reason = 'DestinationMissing'"
}

@test "a large file waits for room, and its planner may die meanwhile" {
  # Goal: what is carried in parts waits as all else does; who takes the job over finds out by trying.
  # Method: a file of three parts for which there is no room; the planner is killed while it waits; then there is room.
  mkdir -p "$WORK/src" "$WORK/dst"
  head -c 140000000 /dev/zero >"$WORK/src/large"
  echo small >"$WORK/src/small"
  in_namespace <<'SCRIPT'
small_disk 80m '"attempts": 1000, "backoff": "100ms", "maxBackoff": "300ms"' --movers 2
job_start full
eventually 30 job_has full "waiting_for LIKE 'space at full-dst: %'"
eventually 30 eval '(($(log_count place_tried) >= 2))'
kill -KILL "$(stack_pid planner-1)"
eventually 30 eval '(($(log_count job_waits) >= 2))'
mount -o remount,size=400m "$WORK/dst"
job_wait full
jq -e '.phase == "Succeeded" and .counters.failed == 0' "$WORK/full.json" >/dev/null
same_tree "$WORK/src" "$WORK/dst"
SCRIPT
}

#!/usr/bin/env bats
# bats file_tags=slow
# The embedded stack: it comes up, stays up, goes down, and leaves nothing.

load ../harness/stack
STACK_FRESH=1

setup() { stack_setup; }
teardown() { stack_teardown; }

@test "up returns when all is ready, down leaves no process" {
  # Goal: one command gives a whole stack, another one takes it away.
  # Method: ask every part directly after `up`; look for each process after `down`.
  syncline up
  [ "$(stack_psql -c 'SELECT count(*) FROM job')" = 0 ]
  [ "$(stack_redis ping)" = PONG ]
  for name in postgres-1 redis-1 planner-1 watcher-1 mover-1 verifier-1; do
    [ "$(stack_state_of "$name")" = ready ]
  done
  run syncline status
  [ "$status" -eq 0 ]
  [[ $output == *"planner  up"* ]]
  pids=$(stack_pids)
  syncline down
  is_gone $pids
  [ ! -e "$STACK/stack.json" ]
  run syncline status
  [ "$status" -eq 4 ]
  [[ $output == *"next: syncline up"* ]]
  run syncline down
  [ "$status" -eq 0 ]
}

@test "a stack that is up is not started twice" {
  # Goal: of any number of `up` exactly one starts a stack; the others say so with 5 and what to do.
  # Method: four at once, then one more.
  local codes=() pids=()
  for _ in 1 2 3 4; do
    syncline up 2>>"$WORK/err" & pids+=($!)
  done
  for pid in "${pids[@]}"; do
    code=0
    wait "$pid" || code=$?
    codes+=("$code")
  done
  [ "$(printf '%s\n' "${codes[@]}" | sort | tr '\n' ' ')" = "0 5 5 5 " ]
  run syncline up
  [ "$status" -eq 5 ]
  [[ $output == *"is up already"*"next:"* ]]
  run syncline status
  [ "$status" -eq 0 ]
}

@test "scale changes the number of processes of a running stack" {
  # Goal: processes come and go without touching the others, and `scale` returns when it is so.
  # Method: three movers, two planners, then one of each; the first mover stays the same process.
  syncline up --watchers 2
  [ "$(stack_state_of watcher-2)" = ready ]
  mover=$(stack_pid mover-1)
  syncline scale mover=3 planners=2
  [ "$(stack_state_of mover-3)" = ready ]
  [ "$(stack_state_of planner-2)" = ready ]
  third=$(stack_pid mover-3)
  syncline scale mover=1 planner=1
  [ "$(stack_pid mover-1)" = "$mover" ]
  [ -z "$(stack_pid mover-2)" ]
  is_gone "$third"
  run syncline scale mover=0
  [ "$status" -eq 2 ]
  run syncline scale movr=2
  [ "$status" -eq 2 ]
  [[ $output == *"did you mean mover"* ]]
}

@test "whatever is killed is started again" {
  # Goal: no process is missed for long, and the rows in Postgres are still there.
  # Method: kill -9 of each in turn.
  syncline up
  stack_psql -c "INSERT INTO event (kind, message) VALUES ('test', 'kept')"
  for name in planner-1 watcher-1 mover-1 verifier-1 redis-1 postgres-1; do
    pid=$(stack_pid "$name")
    kill -KILL "$pid"
    eventually 10 is_another "$name" "$pid"
  done
  [ "$(stack_psql -c "SELECT message FROM event WHERE kind = 'test'")" = kept ]
}

@test "kill -9 of the supervisor leaves no orphans, and the next up recovers" {
  # Goal: nothing of a stack outlives its supervisor, and nothing that was committed is lost.
  # Method: kill it, wait for every other process to be gone without help; up again, twice in a row.
  syncline up
  stack_psql -c "INSERT INTO event (kind, message) VALUES ('test', 'kept')"
  pids=$(stack_pids)
  kill -KILL "$(stack_pid supervisor)"
  eventually 15 is_gone $pids
  syncline up
  [ "$(stack_psql -c "SELECT message FROM event WHERE kind = 'test'")" = kept ]
  # at once: the old processes are still ending
  pids=$(stack_pids)
  kill -KILL "$(stack_pid supervisor)"
  syncline up
  is_gone $pids
  run syncline status
  [ "$status" -eq 0 ]
}

@test "up ends a Postgres that runs on from before" {
  # Goal: a cluster that somebody else's start left running does not keep the stack down.
  # Method: start Postgres by hand on the stack's data; then up.
  syncline up
  syncline down
  postgres=$(ls -d /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
  as=()
  [ "$EUID" -ne 0 ] || as=(setpriv --reuid "$(stat -c %u "$STACK/pg")" --regid "$(stat -c %g "$STACK/pg")" --clear-groups)
  (cd / && exec "${as[@]}" "$postgres" --config_file="$STACK/conf/postgresql.conf") 2>/dev/null 3>&- &
  STACK_STARTED+=($!)
  STACK_DATABASE=syncline eventually 10 stack_psql -c 'SELECT 1' >/dev/null 2>&1
  old=$(head -n 1 "$STACK/pg/postmaster.pid")
  syncline up
  is_gone "$old"
  [ "$(stack_pid postgres-1)" = "$(head -n 1 "$STACK/pg/postmaster.pid")" ]
}

@test "in the foreground it ends in order on SIGTERM" {
  # Goal: a service manager can run it.
  # Method: start it as a job of this shell, wait until it is ready, SIGTERM; exit 0 and nothing left.
  syncline up --foreground 2>"$WORK/log" 3>&- &
  supervisor=$!
  STACK_STARTED+=("$supervisor")
  eventually 30 grep -q 'svc=supervisor event=ready' "$WORK/log"
  pids=$(stack_pids)
  kill -TERM "$(stack_pid supervisor)"
  wait "$supervisor"
  STACK_STARTED=()
  is_gone $pids
}

@test "an ordinary user has a stack of their own" {
  # Goal: no privilege is needed, and neither language, time zone nor other databases of the user matter.
  # Method: as nobody, in a directory of theirs, with a strange environment; root looks at it too.
  [ "$EUID" -eq 0 ] || skip "needs root to become another user"
  install -d -o nobody -g nogroup "$BASE/u" "$BASE/home"
  as_user env PGHOST=/nowhere PGUSER=x PGOPTIONS=-bad syncline --state-dir "$BASE/u/s" up
  run as_user syncline --state-dir "$BASE/u/s" status
  [ "$status" -eq 0 ]
  [ "$(stat -c %a:%U "$BASE/u/s")" = 700:nobody ]
  run syncline --state-dir "$BASE/u/s" status
  [ "$status" -eq 0 ]
  pids=$(jq -r '.supervisor.pid, .processes[].pid' "$BASE/u/s/stack.json")
  as_user syncline --state-dir "$BASE/u/s" down
  is_gone $pids
  # the default place, which is below HOME
  as_user syncline up
  [ -e "$BASE/home/.local/state/syncline/stack.json" ]
  as_user syncline down
}

@test "Postgres and Redis do not run as root" {
  # Goal: run by root, the two services are another user's, and only root and they get at the stack.
  # Method: owners of processes and modes of directories; a third user tries to connect.
  [ "$EUID" -eq 0 ] || skip "is about root"
  syncline up
  for name in postgres-1 redis-1; do
    [ "$(stat -c %u "/proc/$(stack_pid "$name")")" -ne 0 ]
  done
  [ "$(stat -c %a "$STACK")" = 710 ]
  run setpriv --reuid nobody --regid nogroup --clear-groups psql -X -h "$STACK/run" -U syncline -c 'SELECT 1'
  [ "$status" -ne 0 ]
}

@test "a state directory that cannot be used is refused with what to do, and nothing is made" {
  # Goal: each reason has its own words, exit code 2, and leaves no trace.
  # Method: a path too long for sockets, a file, a directory with other things, not writable, not enterable.
  long=$BASE/$(printf 'x%.0s' {1..90})
  run syncline --state-dir "$long" up
  [ "$status" -eq 2 ]
  [[ $output == *"107"*"--state-dir"* ]]
  [ ! -e "$long" ]
  touch "$BASE/file"
  run syncline --state-dir "$BASE/file" up
  [ "$status" -eq 2 ]
  [[ $output == *"is not a directory"* ]]
  mkdir "$BASE/other" && touch "$BASE/other/thing"
  run syncline --state-dir "$BASE/other" up
  [ "$status" -eq 2 ]
  [[ $output == *"has other things in it"* ]]
  [ "$(ls "$BASE/other")" = thing ]
  run syncline --state-dir "$BASE/a,b" up
  [ "$status" -eq 2 ]
  [ ! -e "$BASE/a,b" ]
  run syncline --state-dir /proc/syncline up
  [ "$status" -eq 2 ]
  if [ "$EUID" -eq 0 ]; then
    mkdir -m 700 "$BASE/closed"
    run syncline --state-dir "$BASE/closed/s" up
    [ "$status" -eq 2 ]
    [[ $output == *"cannot be entered by user"* ]]
    [ ! -e "$BASE/closed/s" ]
    run as_user syncline --state-dir "$BASE/nobody" up
    [ "$status" -eq 2 ]
    [[ $output == *"Permission denied"* ]]
  fi
}

@test "commands and options of later versions are refused, slips are recognised" {
  # Goal: nothing that was asked for is silently ignored.
  # Method: exit code 2 and the words, without any stack.
  for words in "get lives" "barrier x" "keys init"; do
    run syncline $words
    [ "$status" -eq 2 ]
    [[ $output == *"not in this version"* ]]
  done
  run syncline snyc a b
  [ "$status" -eq 2 ]
  [[ $output == *"next: syncline sync"* ]]
  run syncline sync --jsno a b
  [ "$status" -eq 2 ]
  [[ $output == *"did you mean --json"* ]]
  run syncline sync
  [ "$status" -eq 2 ]
  run syncline wait x --timeout 3x
  [ "$status" -eq 2 ]
  [ ! -e "$STACK" ]
}

@test "a service that is not there is exit code 4 with what to do" {
  # Goal: an outage is told from a failure.
  # Method: no stack; a database that does not answer; one that no planner works on.
  run syncline get jobs
  [ "$status" -eq 4 ]
  [[ $output == *"next: syncline up"* ]]
  mkdir "$WORK/src" "$WORK/dst"
  SYNCLINE_DATABASE_URL="host=$BASE/nowhere" run syncline sync "$WORK/src" "$WORK/dst"
  [ "$status" -eq 4 ]
  syncline up
  stack_psql -c 'CREATE DATABASE idle'
  export SYNCLINE_DATABASE_URL="host=$STACK/run dbname=idle user=syncline"
  run syncline sync "$WORK/src" "$WORK/dst"
  [ "$status" -ne 0 ]
  [[ $output == *"admin migrate"* ]]
  syncline admin migrate
  run syncline sync "$WORK/src" "$WORK/dst"
  [ "$status" -eq 4 ]
  [[ $output == *"no planner is running"* ]]
  # the job is there still: busy, and named
  run syncline sync "$WORK/src" "$WORK/dst"
  [ "$status" -eq 5 ]
  [[ $output == *"syncline cancel sync-"* ]]
  run syncline wait "$(syncline get jobs --all -o name | head -n 1 | cut -d/ -f2)" --timeout 300ms
  [ "$status" -eq 10 ]
  unset SYNCLINE_DATABASE_URL
}

@test "paths that are not UTF-8 are refused as roots" {
  # Goal: what Postgres cannot hold as text is said before anything is made.
  # Method: a source with a stray byte in its path.
  mkdir "$WORK/"$'bad\xff'
  run syncline sync "$WORK/"$'bad\xff' "$WORK/dst"
  [ "$status" -eq 2 ]
  [[ $output == *"not UTF-8"* ]]
  [ ! -e "$WORK/dst" ]
  [ ! -e "$STACK" ]
}

@test "sync starts a stack of its own and takes it away again" {
  # Goal: `syncline sync SRC DST` needs nothing else, makes DST, and leaves no process.
  # Method: a small tree without a stack; compare; again: nothing to do; with --json.
  mkdir -p "$WORK/src/a/b"
  echo one >"$WORK/src/a/one"
  ln -s one "$WORK/src/a/link"
  run syncline sync "$WORK/src/" "$WORK/dst"
  [ "$status" -eq 0 ]
  [[ ${lines[-1]} == *" in "* ]]
  trees_equal "$WORK/src" "$WORK/dst"
  no_leftovers "$WORK/dst"
  [ ! -e "$STACK/stack.json" ]
  syncline sync --json "$WORK/src" "$WORK/dst/" >"$WORK/json" 2>"$WORK/err"
  [ "$(jq -r '.phase, .counters.moved, .counters.unchanged > 0' "$WORK/json" | tr '\n' ' ')" = "Succeeded 0 true " ]
}

has_a_job() {
  [ "$(stack_psql -c 'SELECT count(*) FROM job' 2>/dev/null)" -gt 0 ] 2>/dev/null
}

@test "a sync that is killed leaves no stack, and the next one does the work" {
  # Goal: whoever kills the command leaves neither processes nor a pair that stays busy for ever.
  # Method: kill -9 while its stack is started, and when its job is there; the stack goes by itself; sync again.
  mkdir "$WORK/src"
  for i in {1..2000}; do echo "$i" >"$WORK/src/$i"; done
  for moment in "test -e $STACK/stack.json" has_a_job; do
    "$SYNCLINE_BIN/syncline" --state-dir "$STACK" sync "$WORK/src" "$WORK/dst" >/dev/null 2>&1 3>&- &
    sync=$!
    STACK_STARTED+=("$sync")
    eventually 30 $moment
    pids=$(stack_pids)
    kill -KILL "$sync" 2>/dev/null || true
    eventually 60 test ! -e "$STACK/stack.json"
    eventually 10 is_gone $pids
  done
  run syncline sync "$WORK/src" "$WORK/dst"
  [ "$status" -eq 0 ]
  trees_equal "$WORK/src" "$WORK/dst"
  no_leftovers "$WORK/dst"
}

@test "what the probe refuses is exit code 7, with a reason, and nothing was touched" {
  # Goal: neither end is changed by a sync that cannot be.
  # Method: source missing, source a file, one inside the other, both the same; DST does not appear.
  syncline up
  mkdir -p "$WORK/src/in"
  echo x >"$WORK/src/file"
  before=$(find "$WORK/src" -printf '%p %C@ %T@\n' | sort)
  check() { # REASON SRC DST
    run syncline sync --json "$2" "$3"
    [ "$status" -eq 7 ]
    [ "$(jq -r .reason <<<"${lines[0]}")" = "$1" ] || { echo "$output" >&2; false; }
  }
  check SourceMissing "$WORK/none" "$WORK/dst"
  check SourceNotADirectory "$WORK/src/file" "$WORK/dst"
  check DestinationMissing "$WORK/src" "$WORK/no/dst"
  check DestinationNotADirectory "$WORK/src/in" "$WORK/src/file"
  check Nested "$WORK/src" "$WORK/src/in"
  check SameDirectory "$WORK/src" "$WORK/src"
  run syncline sync "$WORK/src" "$WORK/src/new"
  [ "$status" -eq 7 ]
  [ ! -e "$WORK/dst" ]
  [ ! -e "$WORK/src/new" ]
  [ "$(find "$WORK/src" -printf '%p %C@ %T@\n' | sort)" = "$before" ]
}

@test "a sync that is interrupted before anything was put takes away the directory that it made, and no other" {
  # Goal: DST is as it was. Method: the command stands still while its stack comes up, and the planner from then on,
  # so that the job is queued when the interrupt comes; once with a DST that was there before.
  local sync planner code
  mkdir -p "$WORK/src"
  echo one >"$WORK/src/1"
  for made in yes no; do
    [ "$made" = yes ] || mkdir "$WORK/dst"
    "$SYNCLINE_BIN/syncline" --state-dir "$STACK" sync "$WORK/src" "$WORK/dst" >"$WORK/out" 2>"$WORK/err" 3>&- &
    sync=$!
    STACK_STARTED+=("$sync")
    eventually 20 test -e "$STACK/stack.json"
    kill -STOP "$sync"
    [ "$made" = no ] || [ ! -e "$WORK/dst" ]
    eventually 30 planner_is_ready
    planner=$(stack_pid planner-1)
    STACK_STARTED+=("$planner")
    kill -STOP "$planner"
    kill -CONT "$sync"
    eventually 30 job_is Queued false
    [ -d "$WORK/dst" ]
    kill -INT "$sync"
    eventually 20 job_is Queued true
    kill -CONT "$planner"
    code=0
    wait "$sync" || code=$?
    [ "$code" -eq 130 ]
    if [ "$made" = yes ]; then [ ! -e "$WORK/dst" ]; else [ -d "$WORK/dst" ]; fi
  done
}

planner_is_ready() { [[ $(stack_state_of planner-1 2>/dev/null) == ready ]]; }
# job_is PHASE CANCEL_REQUESTED: the latest one
job_is() {
  [[ $(stack_psql -F ' ' -c "SELECT phase, cancel_requested::text FROM job ORDER BY id DESC LIMIT 1" 2>/dev/null) == "$*" ]]
}

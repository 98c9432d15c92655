#!/usr/bin/env bats
# bats file_tags=slow
# Files that go in parts, while movers and planners are killed, stopped and go on, and jobs are cancelled.

load ../harness/stack
load ../harness/jobs
load ../harness/trees
load ../harness/large

setup() {
  stack_setup
  trees_in_memory
  large_setup
}
teardown() { stack_teardown; }

@test "a mover that is killed in mid-file: its parts go to others, finished ones are not read again" {
  # Goal: each part is read from the source once by those that live; what was finished is adopted.
  # Method: a source that is slow to read; kill -9 when three parts are there; the planner's lines of parts.
  large_make "$WORK/src/big"
  syncline up --movers 2
  sync_define killed "fault:delay_ms=30;dir:$WORK/src" "$WORK/dst"
  job_start killed
  eventually 30 parts_are 3
  eventually 30 carriers_are 2 # who has done nothing yet may have nothing to lose
  finished=$(parts_from source | wc -l)
  kill -KILL "$(stack_pid mover-2)"
  job_wait killed
  carried killed
  was_abandoned
  [ "$(parts_from source | wc -l)" -eq 11 ]
  [ "$(parts_from source | uniq -d | wc -l)" -eq 0 ]
  [ "$(parts_from copy | wc -l)" -ge "$finished" ]
}

@test "movers killed again and again: the file arrives whole" {
  # Goal: any number of losses within a file's bounds; nothing is left.
  # Method: random kills of three movers and the verifier in a slow job.
  seed_use
  large_make "$WORK/src/big" 300
  syncline up --movers 3
  sync_define again "fault:delay_ms=30;dir:$WORK/src" "$WORK/dst"
  job_start again
  for ((kills = 0; kills < 4; kills++)); do
    name=$(printf '%s\n' mover-1 mover-2 mover-3 verifier-1 | sed -n "$((RANDOM % 4 + 1))p")
    pid=$(stack_pid "$name")
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    sleep "1.$((RANDOM % 10))"
  done
  job_wait again
  carried again
}

@test "a mover that is stopped in mid-part and goes on publishes nothing and changes nothing" {
  # Goal: who was taken for lost writes into a file that nobody will see.
  # Method: SIGSTOP in mid-file, the others end the job; inode and times; SIGCONT; the same inode and times, cmp.
  large_make "$WORK/src/big"
  syncline up --movers 2
  sync_define stopped "fault:delay_ms=30;dir:$WORK/src" "$WORK/dst"
  job_start stopped
  eventually 30 parts_are 2
  pid=$(stack_pid mover-2)
  kill -STOP "$pid"
  job_wait stopped
  is_stopped "$pid"
  carried stopped
  was_abandoned
  marks=$(tree_marks "$WORK/dst")
  kill -CONT "$pid"
  eventually 30 is_idle mover-2
  [ "$(tree_marks "$WORK/dst")" = "$marks" ]
  carried stopped
  [ "$(stack_pid mover-2)" = "$pid" ]
}

@test "a stopped mover that goes on while the job still runs writes into the abandoned copy only" {
  # Goal: the same within the job.
  # Method: SIGCONT as soon as its parts were taken back; the proofs find nothing that does not match.
  large_make "$WORK/src/big"
  syncline up --movers 2
  sync_define within "fault:delay_ms=20;dir:$WORK/src" "$WORK/dst"
  job_start within
  eventually 30 parts_are 2
  pid=$(stack_pid mover-2)
  kill -STOP "$pid"
  eventually 30 was_abandoned
  kill -CONT "$pid"
  job_wait within
  carried within
  counter_is within mismatched 0
  [ "$(stack_pid mover-2)" = "$pid" ]
}

@test "a planner that is killed in mid-file: the next one carries it, and nothing is left" {
  # Goal: all tokens of the earlier epoch are revoked before anything is staged again.
  # Method: kill -9 of the planner between two parts; sums, tree, ledger.
  large_make "$WORK/src/big" 400
  syncline up --movers 2
  sync_define planner "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start planner
  eventually 30 parts_are 2
  kill -KILL "$(stack_pid planner-1)"
  job_wait planner
  carried planner
}

@test "a job that is cancelled in mid-file ends, and leaves nothing" {
  # Goal: parts are given up cleanly, and the next job carries the file.
  # Method: cancel between two parts; then run again.
  large_make "$WORK/src/big" 400
  syncline up --movers 2
  sync_define cancelled "fault:delay_ms=20;dir:$WORK/src" "$WORK/dst"
  job_start cancelled
  eventually 30 parts_are 1
  syncline cancel "$(stack_psql -c "SELECT name FROM v_jobs WHERE synchronization = 'cancelled'")"
  code=0
  job_wait cancelled || code=$?
  [ "$code" -eq 9 ]
  [ ! -e "$WORK/dst/big" ]
  no_leftovers "$WORK/dst"
  job_run cancelled
  carried cancelled
}

#!/usr/bin/env bats
# A mover that is stopped right before a rename, and goes on when the world has moved on.

load ../harness/stack
load ../harness/jobs

setup() {
  stack_setup
  trees_in_memory
}
teardown() { stack_teardown; }

# files DIRECTORY WORD: 600 files, three batches, that say WORD
files() {
  mkdir -p "$1"
  for i in {1..600}; do echo "$2 $i" >"$1/f$i"; done
}

# said DIRECTORY: the words of its files, each once
said() { cat "$1"/f* | cut -d' ' -f1 | sort -u | tr '\n' ' '; }

# stopped_mover: a stack whose mover-2 stands still before its first rename in job `one`, and mover-1 does not:
# its first rename in another job of the same address lies behind it
stopped_mover() {
  files "$WORK/src" warm
  mkdir "$WORK/dst"
  syncline up
  sync_define slow "$WORK/src" "fault:stop_before_publish=1;dir:$WORK/dst"
  first=$(stack_pid mover-1)
  job_start slow
  eventually 15 is_stopped "$first"
  kill -CONT "$first"
  job_wait slow
  same_tree "$WORK/src" "$WORK/dst"
  syncline scale mover=2
  second=$(stack_pid mover-2)
  files "$WORK/src" old
  job_start slow
  eventually 15 is_stopped "$second"
}

@test "a stopped mover is not waited for, and publishes nothing more when it goes on" {
  # Goal: its batch is taken over, newer content lands, and what it does afterwards changes nothing.
  # Method: mover-2 stops itself before a rename; its job ends without it; another job brings newer content;
  # SIGCONT; inodes and ctimes of the destination stay, in that moment and after another job.
  stopped_mover
  began=$SECONDS
  job_wait slow
  is_stopped "$second"
  [ $((SECONDS - began)) -le 15 ]
  [ "$(said "$WORK/dst")" = "old " ]
  is_update "$WORK/slow.json"
  no_leftovers "$WORK/dst"

  files "$WORK/src" new
  began=$SECONDS
  job_run slow
  is_stopped "$second"
  [ $((SECONDS - began)) -le 15 ]
  [ "$(said "$WORK/dst")" = "new " ]
  is_update "$WORK/slow.json"
  same_tree "$WORK/src" "$WORK/dst"
  marks=$(tree_marks "$WORK/dst")

  kill -CONT "$second"
  # it has done with what it had: it is seen again, and no lane is busy
  eventually 15 is_idle mover-2
  [ "$(stack_pid mover-2)" = "$second" ]
  [ "$(tree_marks "$WORK/dst")" = "$marks" ]
  same_tree "$WORK/src" "$WORK/dst"
  # and is of use again
  files "$WORK/src" last
  job_run slow
  same_tree "$WORK/src" "$WORK/dst"
  [ "$(stack_pid mover-2)" = "$second" ]
}

# a job that replaced 600 files and counted each once
is_update() {
  adds_up "$1" || return 1
  [[ $(jq -r '.phase, .counters.scanned, .counters.moved, .counters.failed' "$1" | tr '\n' ' ') == \
    "Succeeded 600 600 0 " ]] || { cat "$1" >&2; return 1; }
}

@test "a stopped mover that goes on while the job still runs publishes nothing of its old token" {
  # Goal: the revocation holds within the same job, too.
  # Method: mover-2 stops in a job that is slow to read; when its batch was taken over and the files are there, SIGCONT
  # in mid-job; each file was put once and not again.
  files "$WORK/src" warm
  mkdir "$WORK/dst"
  syncline up
  sync_define slow "fault:delay_ms=10;dir:$WORK/src" "fault:stop_before_publish=1;dir:$WORK/dst"
  first=$(stack_pid mover-1)
  job_start slow
  eventually 30 is_stopped "$first"
  kill -CONT "$first"
  job_wait slow
  syncline scale mover=2
  second=$(stack_pid mover-2)
  files "$WORK/src" new
  job_start slow
  eventually 30 is_stopped "$second"
  eventually 15 grep -q 'event=token_revoked.*' "$STACK/log/planner-1.log"
  kill -CONT "$second"
  job_wait slow
  is_update "$WORK/slow.json"
  same_tree "$WORK/src" "$WORK/dst"
  [ "$(said "$WORK/dst")" = "new " ]
  [ "$(stack_pid mover-2)" = "$second" ]
}

#!/usr/bin/env bats
# kill -9 while a job does what is left to its close: hard links, removals, puts that wait for them.

load ../harness/stack
load ../harness/jobs

setup() { stack_setup; }
teardown() { stack_teardown; }

# closing NAME: the job is at its close, or has ended
closing() { job_has "$1" "phase = 'Closing'" || ! is_running "$JOB_WAITER"; }

# kill_in_close NAME MOST PROCESS…: kills one of these at a time, at random moments, from when the job closes
kill_in_close() {
  local job=$1 most=$2 name
  shift 2
  KILLS=0
  while is_running "$JOB_WAITER" && ! closing "$job"; do sleep 0.05; done
  while ((KILLS < most)) && is_running "$JOB_WAITER"; do
    name=${*:RANDOM % $# + 1:1}
    if stack_kill_one "$name"; then KILLS=$((KILLS + 1)); fi
    sleep "0.$((RANDOM % 2))$((RANDOM % 10))" # the moment is what is random
  done
  echo "# $KILLS kills" >&3
}

@test "links and removals under kills: each done, each counted once, nothing else touched" {
  # Goal: whoever dies in the close, the trees are equal afterwards, groups are groups, and the sums are exact.
  # Method: 120 objects of three names, 4,000 files and directories that only the destination has, one directory in the
  # way of a file; a slow destination; kills from the moment that the job closes.
  seed_use
  source=$WORK/src destination=$WORK/dst
  tree_make "$source" 120
  mapfile -t files < <(find "$source" -type f | LC_ALL=C sort)
  for i in "${!files[@]}"; do
    ln "${files[i]}" "$source/d$((i % 5))/name$i"
    ln "${files[i]}" "$source/other$i"
  done
  mkdir -p "$destination/gone/deep/er" "$destination/in the way/x/y"
  (cd "$destination/gone/deep" && awk 'BEGIN { for (i = 0; i < 4000; i++) { print i >(i % 2 i); close(i % 2 i) } }')
  echo x >"$destination/in the way/x/y/file"
  echo "a file" >"$source/in the way"
  extra=$(($(tree_entries "$destination") - 1)) # the directory in the way is replaced, not removed
  outside=$(mktemp "$WORK/outside.XXXX") && echo outside >"$outside"
  syncline up --movers 2
  sync_define close "$source" "fault:delay_ms=10;dir:$destination"
  stack_psql -c "UPDATE synchronization SET spec = '{\"delete\": {\"enabled\": true, \"max\": \"100%\"}}'"
  job_start close
  kill_in_close close 12 planner-1 mover-1 mover-2 verifier-1
  job_wait close
  [ "$KILLS" -ge 4 ]
  same_tree "$source" "$destination" -H
  adds_up "$WORK/close.json"
  jq -e --argjson extra "$extra" --argjson groups "${#files[@]}" '.phase == "Succeeded" and
    .counters.removed == $extra and .counters.linked == 2 * $groups and .counters.failed == 0' "$WORK/close.json" ||
    { echo "extra $extra groups ${#files[@]}" >&2; cat "$WORK/close.json" >&2; return 1; }
  [ "$(cat "$outside")" = outside ]
  ledger_is_true close "$destination"
  # and a second run finds nothing
  job_run close
  jq -e '.counters.found == 0 and .counters.removed == 0' "$WORK/close.json"
}

# stranded: a job in its middle, staging area and all, whose planner stands still and whose source is
# elsewhere by now
stranded() {
  tree_make "$WORK/src" 400
  mkdir "$WORK/dst"
  syncline up
  sync_define stranded "fault:delay_ms=20;dir:$WORK/src" "$WORK/dst"
  job_start stranded
  eventually 20 sql_is t "SELECT opened FROM job"
  planner=$(stack_pid planner-1)
  kill -STOP "$planner"
  mv "$WORK/src" "$WORK/elsewhere"
}

@test "a job that is taken over and finds no source takes its staging area away before it fails" {
  # Goal: nothing of ours is left, whoever ends the job. Method: planner stopped, source moved away, planner killed.
  stranded
  [ -e "$WORK/dst/.syncline" ]
  kill -KILL "$planner"
  status=0
  job_wait stranded || status=$?
  [ "$status" -eq 7 ]
  no_leftovers "$WORK/dst"
  jq -e '.phase == "Failed" and .reason == "SourceMissing"' "$WORK/stranded.json"
}

@test "a job that is taken over and finds neither end says what it left at the destination" {
  # Goal: what cannot be taken away is told. Method: as before, and another directory is at the destination.
  stranded
  mv "$WORK/dst" "$WORK/other"
  mkdir -p "$WORK/dst/.syncline/mine"
  kill -KILL "$planner"
  status=0
  job_wait stranded || status=$?
  [ "$status" -eq 7 ]
  jq -e '.reason == "SourceMissing" and (.message | test("left in .syncline at the destination.*another directory"))' \
    "$WORK/stranded.json" || { cat "$WORK/stranded.json" >&2; return 1; }
  [ -d "$WORK/dst/.syncline/mine" ]
  # the next job there takes it away
  rm -r "$WORK/dst"
  mv "$WORK/other" "$WORK/dst"
  mv "$WORK/elsewhere" "$WORK/src"
  job_run stranded
  same_tree "$WORK/src" "$WORK/dst"
}

@test "an approved job that cannot begin leaves the staging area of another alone" {
  # Goal: who took its own staging area away before takes no other's. Method: a job is held; another synchronization is
  # at work at the same destination when it is approved, so that it may not begin.
  mkdir "$WORK/src" && (cd "$WORK/src" && touch old{1..20})
  syncline up
  syncline sync "$WORK/src" "$WORK/dst"
  rm "$WORK"/src/old* && echo new >"$WORK/src/new"
  status=0
  syncline sync --delete "$WORK/src" "$WORK/dst" || status=$?
  [ "$status" -eq 8 ]
  sql_is t "SELECT opened FROM job WHERE phase = 'Held'"
  held=$(stack_psql -c "SELECT name FROM job WHERE phase = 'Held'")
  tree_make "$WORK/other" 400
  sync_define busy "fault:delay_ms=50;dir:$WORK/other" "$WORK/dst"
  job_start busy
  eventually 20 test -e "$WORK/dst/.syncline/staging-area"
  staging=$(stat -c %i "$WORK/dst/.syncline")
  syncline approve "$held"
  status=0
  syncline wait "$held" || status=$?
  [ "$status" -eq 7 ]
  sql_is Overlap "SELECT reason FROM job WHERE name = '$held'"
  [ "$(stat -c %i "$WORK/dst/.syncline")" = "$staging" ]
  is_running "$JOB_WAITER"
  job_wait busy
  [ -e "$WORK/dst/old1" ]
  no_leftovers "$WORK/dst"
}

#!/usr/bin/env bats
# A dry run keeps its list, and a job does what it says: that, as far as it still holds, and nothing else.

bats_require_minimum_version 1.5.0
load ../harness/stack
load ../harness/jobs

setup() { stack_setup; }
teardown() { stack_teardown; }

with_delete() { stack_psql -c "UPDATE synchronization SET spec = '{\"delete\": {\"enabled\": true, \"max\": \"100%\"}}'"; }

# A tree with something of each kind to do, at a destination that has been synchronized before.
planned_tree() {
  local i
  mkdir -p "$WORK/src/d" "$WORK/src/old/below" "$WORK/src/turns" "$WORK/dst"
  for i in 1 2 3 4 5 6; do echo "$i" >"$WORK/src/f$i"; done
  for i in 1 2 3; do echo "$i" >"$WORK/src/old/below/o$i"; done
  echo t >"$WORK/src/turns/into"
  echo l >"$WORK/src/link1"
  ln "$WORK/src/link1" "$WORK/src/link2"
  echo m >"$WORK/src/more1"
  ln "$WORK/src/more1" "$WORK/src/more2"
}

change_tree() {
  local i
  for i in 1 2 3; do echo "new $i" >"$WORK/src/f$i"; done
  chmod 600 "$WORK/src/f4"
  mkdir -p "$WORK/src/new/deep"
  echo n >"$WORK/src/new/deep/n"
  ln -s f1 "$WORK/src/sym"
  rm -r "$WORK/src/old" "$WORK/src/turns"
  echo file >"$WORK/src/turns"
  ln "$WORK/src/link1" "$WORK/src/link3"
  echo mm >>"$WORK/src/more1"
}

@test "a plan that still holds is done whole, and what came since is left" {
  # Goal: every kind of item; after it the destination is as the source was when the plan was made, but for what
  # came since, which has rows that say so; the counters add up; exit code 6.
  # Method: a plan, then differences of each kind that it does not name.
  planned_tree
  syncline up
  sync_define s "$WORK/src" "$WORK/dst"
  with_delete
  syncline run s --wait --progress=none
  change_tree
  run -0 asked run s --dry-run --wait
  sort "$WORK/out" >"$WORK/plan"
  grep -qx 'put turns' "$WORK/plan"
  grep -qx 'remove old/below/o1' "$WORK/plan"
  cp -a "$WORK/src" "$WORK/then"
  # not in the plan
  echo later >"$WORK/src/later"
  rm "$WORK/src/f6"
  chmod 640 "$WORK/src/f5"
  run -6 asked run s --plan s-2 --wait --json --progress=none
  adds_up "$WORK/out"
  jq -e '.phase == "CompletedWithErrors" and .counters.changed == 2 and .counters.failed == 0 and
    .counters.extra == 1' "$WORK/out"
  [ -z "$(rsync -naicH --delete "$WORK/then/" "$WORK/dst/" | grep -vE '^\.d' || true)" ]
  [ "$(stack_psql -c "SELECT string_agg(path || ' ' || outcome || ' ' || code, ',' ORDER BY path) FROM v_items
                       WHERE job = 's-3' AND code IS NOT NULL")" = \
    'f5 changed NotPlanned,f6 kept NotPlanned,later changed NotPlanned' ]
  syncline report s-3 --only=failed -o csv | grep -q '^later,,put,changed,6,,NotPlanned'
  # again: nothing of it differs any more
  run -6 asked run s --plan s-2 --wait --json --progress=none
  jq -e '.counters.moved == 0 and .counters.removed == 0 and .counters.changed == 2' "$WORK/out"
  [ "$(stack_psql -c "SELECT count(*) FROM v_items WHERE job = 's-4' AND outcome = 'kept' AND code = 'NotAsPlanned'")" = \
    "$(wc -l <"$WORK/plan")" ]
  # it was no whole job: the next one does the rest
  [ "$(stack_psql -c 'SELECT restorable_to = (SELECT started_at FROM job WHERE number = 1) FROM v_synchronizations')" = t ]
  syncline run s --wait --progress=none
  rsync -aH --delete -n -i "$WORK/src/" "$WORK/dst/" | tee /dev/stderr | wc -l | grep -qx 0
  no_leftovers "$WORK/dst"
}

@test "what is not as planned any more is left, item by item" {
  # Goal: another size, another time, another kind, a removal whose object has changed, a link group with a name that
  # has changed: each left with NotAsPlanned; the others done.
  # Method: each of them changed between the plan and the job.
  planned_tree
  syncline up
  sync_define s "$WORK/src" "$WORK/dst"
  with_delete
  syncline run s --wait --progress=none
  change_tree
  rm "$WORK/src/f6"
  syncline run s --dry-run --wait >/dev/null
  echo longer >>"$WORK/src/f1"
  touch -d 2001-02-03 "$WORK/src/f2"
  rm "$WORK/src/sym"
  mkdir "$WORK/src/sym"
  echo changed >"$WORK/dst/f6"
  echo mmm >>"$WORK/src/more2"
  run -6 asked run s --plan s-2 --wait --json --progress=none
  adds_up "$WORK/out"
  [ "$(stack_psql -c "SELECT string_agg(path || ' ' || outcome || ' ' || code, ',' ORDER BY path) FROM v_items
                       WHERE job = 's-3' AND code IS NOT NULL")" = \
    'f1 changed NotAsPlanned,f2 changed NotAsPlanned,f6 kept NotAsPlanned,more1 changed NotAsPlanned,more2 changed NotAsPlanned,sym changed NotAsPlanned' ]
  [ "$(cat "$WORK/dst/f1" "$WORK/dst/f2" "$WORK/dst/f3" "$WORK/dst/more1")" = "$(printf '1\n2\nnew 3\nm')" ]
  [ "$(cat "$WORK/dst/f6")" = changed ]
  [ ! -e "$WORK/dst/sym" ] && [ ! -e "$WORK/dst/old" ] && [ -f "$WORK/dst/turns" ]
  [ "$WORK/dst/link1" -ef "$WORK/dst/link3" ]
}

@test "what a plan does not say is not lost for it: changes of type are done whole or not at all" {
  # Goal: a directory that was to make way stays whole where what takes its place, a put or a link, has changed, or where
  # something more is in it; a file that came in place of a directory stays where the plan knows nothing of it, with all
  # that was to go below; what still holds is done.
  # Method: each of them; a plan in which everything holds as the opposite.
  local place
  for place in holds changed more link; do
    mkdir -p "$WORK/src/$place/deep"
    echo "$place" >"$WORK/src/$place/deep/file"
  done
  mkdir -p "$WORK/src/attributes" "$WORK/src/above/in" "$WORK/src/away" "$WORK/src/none" "$WORK/dst"
  syncline up
  sync_define s "$WORK/src" "$WORK/dst"
  with_delete
  syncline run s --wait --progress=none
  rm -r "$WORK/src/holds" "$WORK/src/changed" "$WORK/src/more" "$WORK/src/link"
  for place in holds changed more link; do echo new >"$WORK/src/$place"; done
  ln "$WORK/src/link" "$WORK/src/name"
  chmod 700 "$WORK/src/attributes"
  echo new | tee "$WORK/src/above/in/new" "$WORK/src/away/new" >"$WORK/src/none/new"
  rmdir "$WORK/dst/none"
  echo file >"$WORK/dst/none"
  syncline run s --dry-run --wait >/dev/null
  echo longer | tee -a "$WORK/src/changed" >>"$WORK/src/link"
  echo more >"$WORK/dst/more/deep/more"
  rm -r "$WORK/dst/attributes" "$WORK/dst/above" "$WORK/dst/away"
  echo precious | tee "$WORK/dst/attributes" >"$WORK/dst/above"
  run -6 asked run s --plan s-2 --wait --json --progress=none
  adds_up "$WORK/out"
  [ "$(stack_psql -c "SELECT string_agg(path || ' ' || outcome, ',' ORDER BY path) FROM v_items
                       WHERE job = 's-3' AND code = 'NotAsPlanned'")" = "$(paste -sd, <<'END'
above/in changed
above/in/new changed
attributes changed
changed changed
changed/deep kept
changed/deep/file kept
link changed
link/deep kept
link/deep/file kept
more changed
more/deep kept
more/deep/file kept
name changed
END
  )" ]
  [ "$(cat "$WORK/dst/"{changed,more,link}/deep/file)" = "$(printf 'changed\nmore\nlink')" ]
  [ "$(cat "$WORK/dst/attributes" "$WORK/dst/above")" = "$(printf 'precious\nprecious')" ]
  [ "$(cat "$WORK/dst/holds" "$WORK/dst/away/new" "$WORK/dst/none/new")" = "$(printf 'new\nnew\nnew')" ]
  [ ! -e "$WORK/dst/name" ]
  # what was left by intent did not fail: it is not done by the way
  run -2 asked retry s-3 --failed-only
  says 'no item of job s-3 failed, but for removals and what was not as planned'
  no_leftovers "$WORK/dst"
}

@test "a plan that does not fit is refused in words" {
  # Goal: no dry run, one of another synchronization, one that did not end well, one older than the options, one that
  # is gone: exit codes and what to type; limits may change.
  # Method: each of them.
  planned_tree
  mkdir "$WORK/dst2"
  syncline up
  sync_define s "$WORK/src" "$WORK/dst"
  sync_define t "$WORK/src" "$WORK/dst2"
  syncline run s --wait --progress=none
  run -2 asked run s --plan s-1
  says 'job s-1 is no dry run'
  says 'next: syncline run s --dry-run --wait'
  run -3 asked run s --plan none
  run -2 asked run s --plan s-1 --dry-run
  syncline run t --dry-run --wait >/dev/null
  run -2 asked run s --plan t-1
  says 'job t-1 is of another synchronization than s'
  syncline run s --dry-run --wait
  stack_psql -c "UPDATE job SET phase = 'Cancelled' WHERE name = 's-2'"
  run -2 asked run s --plan s-2
  says 'the dry run s-2 is Cancelled'
  run -2 asked retry s-2 --failed-only
  says 'carried nothing'
  syncline run s --dry-run --wait
  stack_psql -c "UPDATE synchronization SET spec = '{\"historyLimit\": 7}' WHERE name = 's'" # decides nothing
  stack_psql -c "UPDATE synchronization SET spec = '{}' WHERE name = 's'"
  run -0 asked run s --plan s-3 --wait
  stack_psql -c "UPDATE synchronization SET spec = '{\"filters\": [\"- *.tmp\"]}' WHERE name = 's'"
  run -2 asked run s --plan s-3
  says 'the options of s have changed since s-3 made its plan'
  job_insert t '{"plan": "gone-1"}'
  run -7 asked wait t
  says 'job gone-1, whose plan this is, is gone'
  [ "$(stack_psql -c "SELECT count(*) FROM job j JOIN synchronization s ON s.id = j.synchronization WHERE s.name = 's'")" = 4 ]
}

@test "a plan is followed whoever is killed" {
  # Goal: a planner and workers that die under way change nothing of the result, and each item is counted once.
  # Method: a plan of some hundred items, half of which do not hold any more; kills while it is done.
  tree_make "$WORK/src" 400
  mkdir "$WORK/dst"
  syncline up
  sync_define s "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  syncline run s --dry-run --wait >/dev/null
  find "$WORK/src/d0" "$WORK/src/d1" -type f -exec touch -d 2001-02-03 {} +
  left=$(find "$WORK/src/d0" "$WORK/src/d1" -type f | wc -l)
  syncline run s --plan s-1
  for role in planner-1 watcher-1 mover-1 planner-1; do
    eventually 20 job_has s "phase IN ('Running', 'Succeeded', 'CompletedWithErrors')"
    pid=$(stack_pid "$role")
    kill -KILL "$pid"
    eventually 20 is_another "$role" "$pid"
  done
  run -6 asked wait s-2 --json --progress=none
  adds_up "$WORK/out"
  jq -e --argjson left "$left" '.counters.changed == $left and .counters.failed == 0' "$WORK/out"
  [ "$(find "$WORK/dst/d0" "$WORK/dst/d1" -type f 2>/dev/null | wc -l)" = 0 ]
  same_tree "$WORK/src/d2" "$WORK/dst/d2"
  no_leftovers "$WORK/dst"
  # once more, with nothing for the close: what was done does not differ any more, and is said
  run -6 asked run s --plan s-1 --wait --json --progress=none
  adds_up "$WORK/out"
  jq -e --argjson left "$left" '.counters.changed == $left and .counters.moved == 0' "$WORK/out"
  [ "$(stack_psql -c "SELECT count(*) FROM v_items WHERE job = 's-3' AND code = 'NotAsPlanned' AND outcome = 'kept'")" = \
    "$(($(stack_psql -c "SELECT count(*) FROM v_items WHERE job = 's-1'") - left))" ]
}

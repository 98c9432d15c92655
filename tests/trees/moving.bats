#!/usr/bin/env bats
# Trees that move while one looks: each file ends as one whole version, or is said to have changed or vanished.

load ../harness/stack
load ../harness/jobs
load ../harness/trees

setup() { stack_setup; }
teardown() { stack_teardown; }

# writer_start SECONDS DIRECTORY: returns when each file is there
writer_start() {
  tree_tool writer "$@" >"$WORK/writer" &
  WRITER=$!
  STACK_STARTED+=("$WRITER")
  eventually 20 grep -q ready "$WORK/writer"
}

@test "a writer that never rests: no torn file, ever, and equality when it rests" {
  # Goal: files rewritten in place, cut, replaced, removed, renamed with their directories.
  source=$WORK/src destination=$WORK/dst
  syncline up --movers 2
  writer_start 12 "$source"
  runs=0
  while is_running "$WRITER"; do
    code=0
    syncline sync --json --progress=none --delete --max-delete 100% "$source" "$destination" >"$WORK/json" 2>"$WORK/err" || code=$?
    ((code == 0 || code == 6)) || { cat "$WORK/json" "$WORK/err" >&2; return 1; }
    adds_up "$WORK/json"
    if ((code == 6)); then # what failed only changed
      [ "$(jq .counters.failed "$WORK/json")" = 0 ] || { syncline report "$(job_name)" --only=failed >&2; return 1; }
    fi
    tree_tool whole "$destination"
    no_leftovers "$destination"
    runs=$((runs + 1))
  done
  echo "# $runs jobs while it wrote" >&3
  wait "$WRITER"
  ((runs > 3))
  sync_to 0 "$source" "$destination" --delete --max-delete 100%
  equal "$source" "$destination"
  tree_tool whole "$destination"
}

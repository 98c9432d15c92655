#!/usr/bin/env bats
# A staged copy that is not what was read: it never becomes visible.

load ../harness/stack
load ../harness/jobs

setup() {
  stack_setup
  trees_in_memory
}
teardown() { stack_teardown; }

# corrupt_begin OPTIONS: an old tree at the destination, a newer one at the source, and a synchronization `corrupt`
corrupt_begin() {
  local i
  mkdir -p "$WORK/src/in" "$WORK/seen"
  for i in {1..40}; do printf 'old %s\n' "$i" >"$WORK/src/in/f$i"; done
  syncline up
  syncline sync -q "$WORK/src" "$WORK/dst"
  for i in {1..40}; do printf 'newer %s\n' "$i" >"$WORK/src/in/f$i"; done
  sync_define corrupt "$WORK/src" "fault:$1;dir:$WORK/dst"
}

# watch_begin: everything that anybody could read at the destination goes to WORK/seen, until watch_end
watch_begin() {
  (while [[ ! -e $WORK/enough ]]; do cat "$WORK"/dst/in/f* 2>/dev/null || echo missing; done) \
    >"$WORK/seen/all" 3>&- &
  WATCHER=$!
  STACK_STARTED+=("$WATCHER")
  eventually 10 test -s "$WORK/seen/all"
}
watch_end() {
  touch "$WORK/enough"
  wait "$WATCHER"
  LC_ALL=C sort -u "$WORK/seen/all" >"$WORK/seen/once"
  # a line of an old or of a newer file, whole, is all that was ever there
  run grep -vaxE '(old|newer) [0-9]+' "$WORK/seen/once"
  [ -z "$output" ] || { echo "was visible: $output" >&2; return 1; }
}

@test "a corrupted copy is staged again, and the destination keeps the old content until then" {
  # Goal: what does not match is counted, staged again, and never seen.
  # Method: the first three staged files are corrupted; the destination is read all the time.
  corrupt_begin corrupt=3,seed=5
  watch_begin
  job_run corrupt
  watch_end
  adds_up "$WORK/corrupt.json"
  [ "$(jq -r '.phase, .counters.mismatched, .counters.proven, .counters.moved, .counters.failed' "$WORK/corrupt.json" |
    tr '\n' ' ')" = "Succeeded 3 40 40 0 " ]
  grep -q 'event=mismatch' "$STACK/log/planner-1.log"
  same_tree "$WORK/src" "$WORK/dst"
  ledger_is_true corrupt "$WORK/dst"
}

@test "copies that are corrupted every time fail, by name, and the old content stays" {
  # Goal: after a bounded number of attempts each item fails with Mismatch and exit code 6; nothing else changes.
  # Method: every staged file is corrupted; the destination's files keep inode and content; then without the fault.
  corrupt_begin corrupt=1000000
  marks=$(find "$WORK/dst" -type f -printf '%p %i %C@\n' | sort)
  watch_begin
  run job_run corrupt
  [ "$status" -eq 6 ]
  watch_end
  adds_up "$WORK/corrupt.json"
  [ "$(jq -r '.phase, .counters.failed, .counters.moved, .counters.proven, .counters.bytesMoved' "$WORK/corrupt.json" |
    tr '\n' ' ')" = "CompletedWithErrors 40 0 0 0 " ]
  # five attempts of each
  [ "$(jq .counters.mismatched "$WORK/corrupt.json")" = 200 ]
  grep -q 'next: syncline report' "$WORK/corrupt.err"
  syncline report --only=failed -o json "$(jq -r .name "$WORK/corrupt.json")" >"$WORK/report"
  [ "$(jq -r 'select(.error | startswith("Mismatch")) | .path' "$WORK/report" | wc -l)" = 40 ]
  [ "$(find "$WORK/dst" -type f -printf '%p %i %C@\n' | sort)" = "$marks" ]
  no_leftovers "$WORK/dst"
  [ "$(stack_psql -c "SELECT count(*) FROM v_objects WHERE asset = 'corrupt-dst'")" = 0 ]
  syncline sync -q "$WORK/src" "$WORK/dst"
  same_tree "$WORK/src" "$WORK/dst"
}

@test "a corrupted copy of a new file is not seen either" {
  # Goal: a name that was not there appears with proven content or not at all.
  # Method: the same with an empty destination; whoever lists it sees only whole files.
  mkdir -p "$WORK/src/in" "$WORK/dst/in" "$WORK/seen"
  for i in {1..40}; do printf 'newer %s\n' "$i" >"$WORK/src/in/f$i"; done
  printf 'old 0\n' | tee "$WORK/src/in/f0" >"$WORK/dst/in/f0"
  touch -r "$WORK/src/in/f0" "$WORK/dst/in/f0"
  syncline up
  sync_define corrupt "$WORK/src" "fault:corrupt=10,seed=9;dir:$WORK/dst"
  watch_begin
  job_run corrupt
  watch_end
  [ "$(jq -r '.phase, .counters.mismatched, .counters.failed' "$WORK/corrupt.json" | tr '\n' ' ')" = "Succeeded 10 0 " ]
  adds_up "$WORK/corrupt.json"
  same_tree "$WORK/src" "$WORK/dst"
}

#!/usr/bin/env bats
# Definitions that several people apply at the same time. One stack serves all tests of this file.

bats_require_minimum_version 1.5.0
load ../harness/stack
load ../harness/definitions

setup_file() { stack_setup_file; }
teardown_file() { BATS_TEST_COMPLETED=1 stack_teardown; }
teardown() { [ "$(deadlocks)" = 0 ]; }

deadlocks() { stack_psql -c "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"; }

# at_once FILE...: each is applied, all at the same time; exit codes are in CODES, what was said in FILE.out
at_once() {
  local file pid pids=()
  for file; do
    "$SYNCLINE_BIN/syncline" --state-dir "$STACK" apply -f "$file" >"$file.out" 2>&1 3>&- &
    pids+=("$!")
  done
  CODES=()
  for pid in "${pids[@]}"; do
    local code=0
    wait "$pid" || code=$?
    CODES+=("$code")
  done
}

# crossing WHO ORDER...: assets and synchronizations of one owner, in that order
crossing() {
  local who=$1 n
  shift
  for n; do
    asset "from-$n" "/crossing/from/$n" "who: $who"
    asset "to-$n" "/crossing/to/$n" "who: $who"
    sync "cross-$n" "from-$n" "to-$n" '' "who: $who"
  done
}

@test "the same, at once: one creates it, all others find it as it should be" {
  # Goal: a pipeline that runs twice does no harm. Method: six commands with one content.
  for n in 1 2 3 4 5 6; do crossing same 1 2 3 >"$BATS_TEST_TMPDIR/$n"; done
  at_once "$BATS_TEST_TMPDIR"/[1-6]
  [ "${CODES[*]}" = '0 0 0 0 0 0' ]
  [ "$(cat "$BATS_TEST_TMPDIR"/*.out | grep -c ' created$')" = 9 ]
  [ "$(cat "$BATS_TEST_TMPDIR"/*.out | grep -c ' unchanged$')" = 45 ]
}

@test "others of the same names, in crossing order: one after the other, each whole, while jobs start" {
  # Goal: no deadlock, no mixture of two. Method: two owners, from the first to the last and back, a limit that is set and
  # dry runs that start meanwhile; afterwards all is of one owner.
  local round
  for round in 1 2 3 4 5 6; do
    crossing "one-$round" 1 2 3 4 >"$BATS_TEST_TMPDIR/one"
    crossing "two-$round" 4 3 2 1 >"$BATS_TEST_TMPDIR/two"
    syncline set cross-2 "limits.lanes=$round" >"$BATS_TEST_TMPDIR/set" 3>&- &
    local setter=$!
    syncline run cross-3 --dry-run >"$BATS_TEST_TMPDIR/run" 2>&1 3>&- & # one may be active
    local runner=$!
    at_once "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
    [ "${CODES[*]}" = '0 0' ] || { cat "$BATS_TEST_TMPDIR"/*.out; return 1; }
    wait "$setter"
    wait "$runner" || [ $? = 5 ]
    [ "$({ syncline get assets -l who -o json; syncline get syncs -l who -o json; } |
      jq -r '.items[].labels.who' | sort | uniq -c | awk '{print $1}')" = 12 ]
  done
}

@test "what contradicts, at once: one wins, and the other is told why" {
  # Goal: what was checked still holds when it is written. Method: data that would go round in a circle, a half of it each.
  local round
  for round in 1 2 3 4 5; do
    { asset "left-$round" "/left/$round"; asset "right-$round" "/right/$round"; } | syncline apply -f -
    sync "there-$round" "left-$round" "right-$round" >"$BATS_TEST_TMPDIR/there"
    sync "back-$round" "right-$round" "left-$round" >"$BATS_TEST_TMPDIR/back"
    at_once "$BATS_TEST_TMPDIR/there" "$BATS_TEST_TMPDIR/back"
    [[ ${CODES[*]} == '0 2' || ${CODES[*]} == '2 0' ]]
    grep -q 'round in a circle' "$BATS_TEST_TMPDIR"/*.out
    [ "$(stack_psql -c "SELECT count(*) FROM synchronization WHERE name IN ('there-$round', 'back-$round')")" = 1 ]
  done
}

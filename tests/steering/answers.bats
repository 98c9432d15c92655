#!/usr/bin/env bats
# How the command answers, whatever is asked and wherever the answer goes: a full disk, a closed pipe, a person's terminal.
# One stack serves all tests of this file; each has names of its own.

bats_require_minimum_version 1.5.0
load ../harness/stack
load ../harness/definitions

setup_file() {
  stack_setup_file
  export SYNCLINE_STATE_DIR=$STACK
  mkdir -p "$WORK/src" "$WORK/dst"
  printf x >"$WORK/src/"$'red\033[31m'
  printf y >"$WORK/src/plain"
  {
    asset odd-src "$WORK/src"
    asset odd-dst "$WORK/dst"
    sync odd odd-src odd-dst
  } | syncline apply -f -
  syncline run odd --wait
}
teardown_file() { BATS_TEST_COMPLETED=1 stack_teardown; }

readonly ANSWERS=("get jobs" "get jobs -o json" "get syncs -o yaml" "get assets -o name" "report odd-1"
  "report odd-1 -o csv" "events -o json" "describe sync/odd" "status --json" "completion bash" "help" "version")

@test "an answer that cannot be written makes the command fail, and says so" {
  # Goal: a script on a full disk does not take nothing for an answer. Method: /dev/full; no stdout at all, which must
  # not become the connection's either.
  local answer
  for answer in "${ANSWERS[@]}"; do
    run -7 --separate-stderr bash -c '"$SYNCLINE_BIN/syncline" $1 >/dev/full' - "$answer"
    [[ $stderr == *'the output cannot be written'*'next: '* ]] || { echo "$answer: $stderr"; return 1; }
    run -7 --separate-stderr bash -c '"$SYNCLINE_BIN/syncline" $1 >&-' - "$answer"
    [[ $stderr == *'the output cannot be written'* ]] || { echo "$answer: $stderr"; return 1; }
  done
  # differences that nobody could read are no answer
  sync odd odd-src odd-dst 'compare: checksum' >"$BATS_TEST_TMPDIR/odd.yaml"
  run -7 bash -c '"$SYNCLINE_BIN/syncline" diff -f "$1" >/dev/full' - "$BATS_TEST_TMPDIR/odd.yaml"
}

@test "a reader that has seen enough is no failure" {
  # Goal: `| head -1` ends well and quietly. Method: a reader that ends before anything is written.
  local answer
  for answer in "${ANSWERS[@]}"; do
    run -0 --separate-stderr bash -c \
      '{ while [ -e "$2" ]; do sleep 0.01; done; "$SYNCLINE_BIN/syncline" $1; } | { exec <&-; rm "$2"; }
       exit "${PIPESTATUS[0]}"' - "$answer" "$(mktemp -p "$BATS_TEST_TMPDIR")"
    [ -z "$stderr" ] || { echo "$answer: $stderr"; return 1; }
  done
}

@test "names never steer the terminal, and are escaped once" {
  # Goal: a name with an escape sequence is shown as what it is. Method: in errors of each kind; in a report.
  local odd=$'x\033[31m'
  local command
  for command in "$odd" "get $odd" "get job $odd" "get jobs -o $odd" "describe asset/$odd" "describe $odd/a" \
    "run $odd" "wait $odd" "report $odd" "set $odd a=b" "set odd $odd=1" "delete sync/$odd" "events --job $odd" \
    "worker drain $odd" "filter test $odd x" "scale $odd=1" "up $odd" "hash /$odd" "completion $odd" "--$odd" "-$odd"; do
    run --separate-stderr bash -c '"$SYNCLINE_BIN/syncline" $1' - "$command"
    ((status == 2 || status == 3)) || { echo "$command: $status"; return 1; }
    [[ $stderr != *$'\033'* && $stderr == *'next: '* ]] || { echo "$command: $stderr" | cat -v; return 1; }
  done
  run -0 syncline report odd-1
  says 'red\x1b[31m '
}

@test "every error names the next command" {
  # Goal: who was wrong is told how to go on. Method: those that are easily wrong, and what is to be typed.
  local command next
  while IFS='|' read -r command next; do
    run --separate-stderr bash -c '"$SYNCLINE_BIN/syncline" $1' - "$command"
    ((status == 2 || status == 3 || status == 7)) || { echo "$command: $status"; return 1; }
    [[ $stderr == *"next: syncline $next"* ]] || { echo "$command: $stderr"; return 1; }
  done <<'WRONG'
run odd --plan nope|get jobs --all
run nope --plan nope|get jobs --all, syncline get syncs --all, or syncline get plans
delete sync/nope|get syncs --all
set odd limits.lane=3|set --help
set odd lanes|set --help
set odd limits.lanes=many|set --help
hash /nope|hash --help
admin backup /nope/file|admin backup --help
admin backup /etc/passwd|admin backup --help
keys|help
keys add|help
failover odd|help
apply -f /nope|help apply
apply -f /dev/null|help apply
WRONG
  run -2 syncline keys
  says 'keys: not in this version'
}

@test "a list of nothing is told to people only" {
  # Goal: who looks is told that nothing is there; a script gets nothing, or an empty list. Method: a label nobody has.
  run -0 --separate-stderr syncline get assets -l no=body
  [[ -z $output && $stderr == 'there are no assets with such labels' ]]
  run -0 --separate-stderr syncline get assets -l no=body -q
  [[ -z $output && -z $stderr ]]
  run -0 --separate-stderr syncline get assets -l no=body -o name
  [[ -z $output && -z $stderr ]]
  run -0 --separate-stderr syncline get assets -l no=body -o json
  [ "$(jq -c . <<<"$output")" = '{"items":[]}' ]
  [ -z "$stderr" ]
}

@test "a list of ten thousand is watched without falling behind" {
  # Goal: what is new is told within seconds, however long the list is. Method: 500 synchronizations of 20 jobs each, by
  # SQL; get -w of all of them, and a job that starts meanwhile.
  stack_psql -qc "INSERT INTO synchronization (name, kind, source, destination, spec)
    SELECT 'many-' || n, kind, source, destination, '{}' FROM synchronization, generate_series(1, 500) n WHERE name = 'odd'"
  stack_psql -qc "INSERT INTO job (name, synchronization, number, source_address, destination_address, destination_asset,
      phase, started_at, finished_at)
    SELECT s.name || '-' || n, s.id, n, 'dir:/a', 'dir:/b', s.destination, 'Succeeded', now(), now()
    FROM synchronization s, generate_series(1, 20) n WHERE s.name LIKE 'many-%'"
  [ "$(syncline get jobs -o name | wc -l)" = 100 ]
  "$SYNCLINE_BIN/syncline" get jobs --limit 20000 -o name -w >"$BATS_TEST_TMPDIR/seen" 3>&- &
  local watcher=$! tries job
  for ((tries = 0; tries < 100; tries++)); do
    (($(wc -l <"$BATS_TEST_TMPDIR/seen") > 10000)) && break
    sleep 0.1
  done
  run -0 --separate-stderr syncline run odd
  job=$output
  for ((tries = 0; tries < 50; tries++)); do
    grep -qx "job/$job" "$BATS_TEST_TMPDIR/seen" && break
    sleep 0.1
  done
  kill -INT "$watcher"
  local code=0
  wait "$watcher" || code=$?
  [ "$code" = 130 ]
  grep -qx "job/$job" "$BATS_TEST_TMPDIR/seen"
  syncline wait "$job"
}

@test "faults without end are told as the first hundred, and their number" {
  # Goal: a mistake in a file of many definitions does not drown what matters. Method: 30 that write into one directory:
  # each is wrong against each.
  local n
  for ((n = 1; n <= 30; n++)); do
    sync "same-$n" odd-src odd-dst
  done >"$BATS_TEST_TMPDIR/same.yaml"
  run -2 --separate-stderr syncline apply -f "$BATS_TEST_TMPDIR/same.yaml"
  [ "$(wc -l <<<"$stderr")" = 103 ]
  [[ $stderr == *$'these are the first 100\nsyncline: '[0-9]*' faults in definitions; nothing was applied'* ]]
}

@test "the stack of another user is refused in words, with a way out" {
  # Goal: who is on the wrong host or the wrong account sees it. Method: a state directory that may not be entered.
  [ "$(id -u)" = 0 ] || skip "wants another user"
  chmod 700 "$STACK"
  run -2 --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$SYNCLINE_BIN/syncline" get jobs
  [[ $stderr == *'next: name a directory of your own with --state-dir'* ]]
}

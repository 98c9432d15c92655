#!/usr/bin/env bats
# What operators type about jobs: suspended, cancelled, listed as CSV, followed as events.

bats_require_minimum_version 1.5.0
load ../harness/stack
load ../harness/jobs

setup() { stack_setup; }
teardown() { stack_teardown; }

small_tree() {
  mkdir -p "$WORK/src/d" "$WORK/dst"
  echo a >"$WORK/src/a"
  echo b >"$WORK/src/d/b"
}

# went_well JOB FILE: its events, from Running to the end
went_well() {
  jq -se --arg job "$1" 'map(select(.job == $job) | .kind) | index("Running") < index("Succeeded") and
    last == "Succeeded"' "$2" >/dev/null || { cat "$2" >&2; return 1; }
}

@test "a suspended synchronization starts nothing, until it is resumed; what runs goes on" {
  # Goal: run, verify and sync are refused with exit 5 and the way out; both commands may be said twice.
  # Method: two directories; a job that is slow enough to be suspended under way.
  small_tree
  syncline up
  sync_define s "fault:delay_ms=1000;dir:$WORK/src" "$WORK/dst"
  run -3 asked suspend none
  says 'next: syncline get syncs'
  job_start s
  eventually 20 job_has s "phase = 'Running'"
  run -0 asked suspend s
  says 's is suspended'
  says 's-1 goes on'
  job_wait s
  run -0 asked suspend s
  says 's was suspended already'
  for command in 'run s' 'run s --dry-run' 'verify s'; do
    # shellcheck disable=SC2086
    run -5 asked $command
    says 'synchronization s is suspended'
    says 'next: syncline resume s'
  done
  [ "$(syncline get syncs s -o json | jq -r .suspended)" = true ]
  [ "$(stack_psql -c 'SELECT count(*) FROM job')" = 1 ]
  run -0 asked resume s
  run -0 asked resume s
  says 's was not suspended'
  syncline run s --wait --progress=none
  same_tree "$WORK/src" "$WORK/dst"
  # of two directories that were never named, too
  syncline -q sync "$WORK/src" "$WORK/other"
  name=$(syncline get syncs --all -o name | sed -n 's,^sync/\(sync-.*\),\1,p')
  syncline suspend "$name"
  run -5 asked sync "$WORK/src" "$WORK/other"
  says "next: syncline resume $name"
}

@test "a job that is Held stays so while its synchronization is suspended" {
  # Goal: approve is refused with the way out, and done after it.
  # Method: a job that would remove more than it may.
  small_tree
  touch "$WORK/dst/old"
  syncline up
  sync_define s "$WORK/src" "$WORK/dst"
  stack_psql -c "UPDATE synchronization SET spec = '{\"delete\": {\"enabled\": true, \"max\": \"0\"}}'"
  run -8 asked run s --wait
  syncline suspend s
  run -5 asked approve s-1
  says 'next: syncline resume s'
  [ -e "$WORK/dst/old" ]
  syncline resume s
  syncline approve s-1 --wait
  same_tree "$WORK/src" "$WORK/dst"
}

@test "cancel waits for the end where it is asked to" {
  # Goal: exit 0 and a job that is Cancelled; of one that had ended before, the exit code of its phase.
  # Method: a slow job, then one that failed.
  small_tree
  syncline up
  sync_define s "fault:delay_ms=2000;dir:$WORK/src" "$WORK/dst"
  job_start s
  eventually 20 job_has s "phase = 'Running'"
  run -2 asked approve s-1
  says 'next: syncline wait s-1'
  run -0 asked cancel s-1 --wait --json
  [ "$(jq -r .phase "$WORK/out")" = Cancelled ]
  wait "$JOB_WAITER" || code=$?
  [ "$code" = 9 ]
  stack_psql -c "UPDATE asset SET address = 'dir:$WORK/none' WHERE name = 's-src'"
  run -7 asked run s --wait
  says 'next: syncline describe job/s-2'
  run -7 asked cancel s-2 --wait
  run -2 asked approve s-2
  says 'next: syncline describe job/s-2'
  for command in 'run s' 'run s --plan s-1' 'cancel s-2' 'approve s-2' 'retry s-2'; do
    # shellcheck disable=SC2086
    run -2 asked $command --timeout 1s
    says '--timeout goes with --wait'
    says "next: syncline ${command%% *} --help"
  done
  run -2 asked verify s --no-wait --timeout 1s
  [ "$(stack_psql -c 'SELECT count(*) FROM job')" = 2 ]
  run -3 asked cancel none --wait
  run -2 asked cancel
  run -2 asked wait s --for=insync
  says 'not in this version'
  run -2 asked wait s --for=ever
}

@test "a report as CSV is what other programs read" {
  # Goal: names with commas, quotes, line ends and bytes that are no UTF-8 come back as they are.
  # Method: Python's csv module.
  mkdir -p "$WORK/src" "$WORK/dst"
  python3 - "$WORK" <<'PY'
import os, sys
for name in (b'plain', b'a,b', b'quo"te', b'line\nend', b'\xff\xfe'):
    with open(os.path.join(sys.argv[1].encode(), b'src', name), 'wb') as file:
        file.write(name)
os.mkfifo(os.path.join(sys.argv[1], 'src', 'pipe'))
PY
  syncline up
  syncline -q sync "$WORK/src" "$WORK/dst"
  job=$(syncline get jobs --all -o name | sed 's,job/,,')
  syncline report "$job" -o csv >"$WORK/report.csv"
  syncline report "$job" -o json >"$WORK/report.json"
  python3 - "$WORK/report.csv" "$WORK/report.json" <<'PY'
import base64, csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8')))
lines = [json.loads(line) for line in open(sys.argv[2])]
path = lambda row: row.get('path', '').encode() if row.get('path') else base64.b64decode(row['pathBase64'])
assert {path(row) for row in rows} == {b'plain', b'a,b', b'quo"te', b'line\nend', b'\xff\xfe', b'pipe'}, rows
for row, line in zip(rows, lines):
    assert path(row) == path(line) and row['operation'] == line['operation'] and row['outcome'] == line['outcome']
    assert int(row['bytes']) == line['bytes'] and row['hash'] == (line['hash'] or '')
assert len(rows) == len(lines)
PY
  [ "$(head -n 1 "$WORK/report.csv")" = $'path,pathBase64,operation,outcome,bytes,hash,error,note,notKept\r' ]
  run -2 asked report "$job" -o yaml
}

@test "events say what happened, newest last, without Redis, and as it happens" {
  # Goal: a job's events in order, as lines and as JSON; --watch shows new ones at once; SIGINT ends it with 130.
  # Method: jobs of two synchronizations, Redis stopped; a follower in the background.
  small_tree
  syncline up
  sync_define s "$WORK/src" "$WORK/dst"
  sync_define t "$WORK/src" "$WORK/dst2"
  mkdir "$WORK/dst2"
  syncline run s --wait --progress=none
  kill -STOP "$(stack_pid redis-1)"
  run -0 asked events -o json
  went_well s-1 "$WORK/out"
  [ "$(jq -s 'map(.id) == (map(.id) | sort)' "$WORK/out")" = true ]
  run -0 asked events --limit 1
  [ "$(wc -l <"$WORK/out")" = 2 ]
  grep -q '^TIME .*MESSAGE$' "$WORK/out"
  grep -qE '^20.*Z  s-1 +Succeeded$' "$WORK/out"
  run -3 asked events --job none
  run -2 asked events -o yaml
  kill -CONT "$(stack_pid redis-1)"
  "$SYNCLINE_BIN/syncline" --state-dir "$STACK" events --job t-1 -w 2>"$WORK/err" 3>&- || true
  grep -q 'no job named t-1' "$WORK/err"
  (trap - INT; exec "$SYNCLINE_BIN/syncline" --state-dir "$STACK" events -w -o json --limit 1) >"$WORK/follow" 3>&- &
  follower=$!
  STACK_STARTED+=("$follower")
  eventually 10 test -s "$WORK/follow"
  syncline run t --wait --progress=none
  eventually 5 grep -q Succeeded.*t-1\\\|t-1.*Succeeded "$WORK/follow"
  went_well t-1 "$WORK/follow"
  # one from before, which may be of an asset that was just probed
  [ "$(jq -s '.[0].job != "t-1" and (map(select(.job == "s-1")) | length) <= 1' "$WORK/follow")" = true ]
  kill -INT "$follower"
  code=0
  wait "$follower" || code=$?
  [ "$code" = 130 ]
}

# sockets PATH…: things that no job carries
sockets() {
  python3 - "$@" <<'PY'
import os, socket, sys
for path in sys.argv[1:]:
    os.chdir(os.path.dirname(path))
    socket.socket(socket.AF_UNIX).bind(os.path.basename(path))
PY
}

@test "retry --failed-only does what failed, with the directories above, and nothing else" {
  # Goal: items of any name; what is below one that is a directory by now; filters hold; nothing is removed; the
  # counters add up; and what is not fit for it is refused in words.
  # Method: sockets, which fail, become files and a directory; other differences stay for the next whole job.
  small_tree
  mkdir -p "$WORK/src/deep/er"
  sockets "$WORK/src/a[*]?" "$WORK/src/deep/er/x y" "$WORK/src/d/dir"
  syncline up
  sync_define s "$WORK/src" "$WORK/dst"
  stack_psql -c "UPDATE synchronization SET spec = '{\"delete\": {\"enabled\": true}, \"filters\": [\"- *.tmp\"]}'"
  run -2 asked retry s-1 --bad
  run -3 asked retry s-1
  run -6 asked run s --wait
  says 'next: syncline report s-1 --only=failed'
  rm "$WORK/src/a[*]?" "$WORK/src/deep/er/x y" "$WORK/src/d/dir"
  echo 1 >"$WORK/src/a[*]?"
  echo 2 >"$WORK/src/deep/er/x y"
  mkdir -p "$WORK/src/d/dir/below"
  echo 3 >"$WORK/src/d/dir/below/f"
  touch "$WORK/src/d/dir/z.tmp"
  # what a whole job would do
  echo 4 >"$WORK/src/abc"
  echo 5 >"$WORK/src/deep/er/new"
  touch "$WORK/dst/old" "$WORK/dst/deep/old"
  run -0 asked retry s-1 --failed-only --wait --json --progress=none
  jq -e '.counters | .moved == 5 and .failed == 0 and .removed == 0' "$WORK/out"
  adds_up "$WORK/out"
  [ "$(cd "$WORK/dst" && find . -type f -printf '%P\n' | LC_ALL=C sort | paste -sd,)" = \
    'a,a[*]?,d/b,d/dir/below/f,deep/er/x y,deep/old,old' ]
  [ "$(syncline get syncs s -o json | jq -r .lastSuccess)" = null ]
  [ "$(stack_psql -c "SELECT restorable_to = (SELECT started_at FROM job WHERE name = 's-2') FROM v_synchronizations")" != t ]
  run -2 asked retry s-2 --failed-only
  says 'no item of job s-2 failed'
  says 'next: syncline retry s-2'
  # too many, and a job that was not done
  stack_psql -c "INSERT INTO item (job, key, shard, path, kind, operation, outcome)
    SELECT j.id, gen_random_uuid(), 0, n::text::bytea, 'file', 'put', 'failed' FROM job j, generate_series(1, 4097) n
     WHERE j.name = 's-2'"
  run -2 asked retry s-2 --failed-only
  says 'more items of job s-2 failed than can be done apart'
  stack_psql -c "UPDATE job SET phase = 'Cancelled' WHERE name = 's-2'"
  run -2 asked retry s-2 --failed-only
  says 'job s-2 is Cancelled'
  [ "$(stack_psql -c 'SELECT count(*) FROM job')" = 2 ]
  # and the whole once more
  run -0 asked retry s-2 --wait
  run -0 asked retry s-1 --wait --json --progress=none
  jq -e '.counters | .found == 0 and .unchanged == .scanned' "$WORK/out"
  [ -z "$(rsync -naic --delete --exclude '*.tmp' "$WORK/src/" "$WORK/dst/")" ]
  # the other job may be gone when this one begins
  job_insert s '{"only": "gone-1"}'
  run -7 asked wait s
  says 'no item that failed in job gone-1 is in the ledger'
  # a verification is done again as one
  syncline verify s
  run -0 asked retry "$(stack_psql -c "SELECT max(name) FROM job WHERE spec #>> '{run,verify}' = 'true'")" --wait --json
  [ "$(stack_psql -c "SELECT count(*) FROM job WHERE spec #>> '{run,verify}' = 'true'")" = 2 ]
}

@test "lastProgressAt moves while work goes on, and only then; waitingFor goes when it is over" {
  # Goal: a job that commits nothing for long is seen to go on; one whose movers are gone is seen to stand.
  # Method: slow files, of which none is committed before the end; all movers stopped, then continued.
  local i
  mkdir -p "$WORK/src" "$WORK/dst"
  for i in $(seq 100); do echo "$i" >"$WORK/src/f$i"; done
  syncline up
  sync_define s "fault:delay_ms=400;dir:$WORK/src" "$WORK/dst"
  job_start s
  eventually 20 job_has s "phase = 'Running'"
  eventually 20 job_has s "phase = 'Running' AND moved = 0 AND last_progress_at > started_at + interval '4 s'"
  kill -STOP "$(stack_pid mover-1)"
  eventually 20 job_has s "waiting_for = 'a mover'"
  eventually 20 job_has s "last_progress_at < clock_timestamp() - interval '7 s'"
  [ "$(syncline get jobs s-1 -o json | jq -r .waitingFor)" = 'a mover' ]
  kill -CONT "$(stack_pid mover-1)"
  eventually 20 job_has s "waiting_for IS NULL AND last_progress_at > clock_timestamp() - interval '5 s'"
  syncline cancel s-1 --wait
  job_has s "waiting_for IS NULL"
}

#!/usr/bin/env bats
# Plans as operators meet them: written, refused, listed, described, changed, suspended, run now, deleted; times that
# came, wait and were skipped.
# One stack serves the tests of this file; each has names and paths of its own.

bats_require_minimum_version 1.5.0
load ../harness/stack
load ../harness/jobs

setup_file() { stack_setup_file; }
teardown_file() { BATS_TEST_COMPLETED=1 stack_teardown; }

setup() {
  DIR=$WORK/$BATS_TEST_NUMBER
  mkdir -p "$DIR"
  cd "$DIR"
}
teardown() { [[ -z ${STOPPED:-} ]] || kill -CONT "$STOPPED"; }

# pair NAME: assets NAME-src, with a file in it, and NAME-dst
pair() {
  mkdir -p "$DIR/$1-src" "$DIR/$1-dst"
  echo "of $1" >"$DIR/$1-src/file"
  printf -- '---\napiVersion: syncline/v1\nkind: Asset\nmetadata: {name: %s}\nspec: {directory: {path: %s}}\n' \
    "$1-src" "$DIR/$1-src" "$1-dst" "$DIR/$1-dst"
}
# plan NAME FIELDS: of the pair NAME
plan() {
  printf -- '---\napiVersion: syncline/v1\nkind: SynchronizationPlan\nmetadata: {name: %s, labels: {tier: gold}}\n' "$1"
  printf 'spec: {source: %s-src, destination: %s-dst, %s}\n' "$1" "$1" "$2"
}
define() { { pair "$1"; plan "$1" "$2"; } >"$1.yaml" && syncline apply -f "$1.yaml"; }
of() { syncline get plan "$1" -o json | jq -er "$2"; }
# completed WORD...: what a shell offers for the last word
completed() {
  PATH=$SYNCLINE_BIN:$PATH SYNCLINE_STATE_DIR=$STACK bash -c 'source <(syncline completion bash)
    COMP_WORDS=(syncline "$@") COMP_CWORD=$#; _syncline 2>/dev/null; echo "${COMPREPLY[*]}"' - "$@"
}
says() { [[ $output == *"$1"* ]] || { printf 'says not "%s":\n%s\n' "$1" "$output" >&2; return 1; }; }

# no_planner: until the end of the test no planner looks, so that rows stay as they are put, and none holds a lock
no_planner() { eventually 10 planner_rests; }
planner_rests() {
  STOPPED=$(stack_pid planner-1)
  kill -STOP "$STOPPED"
  eventually 5 is_stopped "$STOPPED"
  sql_is 0 "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'syncline-planner%' AND xact_start IS NOT NULL" ||
    { kill -CONT "$STOPPED"; return 1; }
}
# time_row NAME NUMBER PHASE WAITS REASON MESSAGE: a time of the plan NAME, NUMBER hours after a certain midnight
time_row() {
  stack_psql -v name="$1" -v number="$2" -v phase="$3" -v waits="$4" -v reason="$5" -v message="$6" <<'SQL'
    UPDATE synchronization SET next_number = :number + 1 WHERE name = :'name';
    INSERT INTO job (name, synchronization, number, trigger, scheduled_for, start_by, phase, waits, reason, message,
        waiting_for, finished_at, source_address, destination_address, destination_asset)
      SELECT s.name || '-' || :number, s.id, :number, 'schedule', timestamptz '2001-02-03 00:00Z' + :number * interval '1 h',
             now() + interval '1 h', :'phase', :waits, nullif(:'reason', ''), nullif(:'message', ''),
             CASE WHEN :waits THEN :'message' END, CASE WHEN :'phase' IN ('Skipped', 'Succeeded') THEN now() END,
             'dir:/x', 'dir:/y', s.destination FROM synchronization s WHERE s.name = :'name';
SQL
}

@test "a schedule that cannot be meant is refused where it stands, with the reason" {
  # Goal: unknown zone, a date that never comes, zero steps, overflow, negative durations: FILE:LINE:COLUMN, what is wrong
  # and what to write; exit code 2; nothing is applied.
  # Method: one of each in its own file beside assets that are right.
  local fields column reason
  pair bad >assets.yaml
  while IFS='|' read -r fields column reason; do
    plan bad "$fields" >bad.yaml
    run -2 syncline apply -f assets.yaml -f bad.yaml
    [[ ${lines[0]} == "bad.yaml:5:$column: $reason"* ]] || { echo "$fields: $output, not $column: $reason" >&2; return 1; }
    says "1 fault in definitions; nothing was applied"
  done <<'CASES'
schedule: "0 2 * * *", timezone: Europe/Berln|80|timezone: 'Europe/Berln' is no zone that this host knows; did you mean Europe/Berlin?
schedule: "0 0 30 2 *"|62|schedule: a date that never comes: the months meant have at most 29 days; write a day up to 29
schedule: "*/0 * * * *"|60|schedule: minute: a step of 0 never gets on; write 1 or more
schedule: "60 * * * *"|58|schedule: minute: 60 is out of range; write 0 to 59
schedule: "0 99999999999999999999 * * *"|60|schedule: hour: 99999999999999999999 is out of range; write 0 to 23
schedule: "0 2 * *"|65|schedule: only 4 fields; after them the day of the week is wanted
schedule: "@fortnightly"|58|schedule: there is no @fortnightly; write @hourly, @daily,
schedule: "@every -5s"|65|schedule: -5s is negative; write a duration from 1s to 366d
schedule: "@every 0s"|65|schedule: 0s is too short; write a duration from 1s to 366d
schedule: "@every 99999999999999999999d"|65|schedule: '99999999999999999999d' is no duration from 1s to 366d
schedule: "@every 1m", jitter: 1m|78|jitter (1m) is not shorter than the interval (@every 1m)
schedule: "0 2 * * *", startingDeadline: -1h|88|startingDeadline: expected a duration from 1s to 366d, such as 90s or 1h30m, not -1h
schedule: "0 2 * * *", jitter: -5s|78|jitter: expected a duration from 0s to 1d, such as 90s or 1h30m, not -5s
timezone: UTC|7|spec.schedule is missing
CASES
  run -3 syncline get plan bad
  run -3 syncline get asset bad-src
}

@test "a plan is applied, listed in every format, compared, and printed as it was written" {
  # Goal: get in every format; what -o yaml prints, apply takes as unchanged; selectors; kinds are apart; -w.
  # Method: one plan with every field of a plan beside a synchronization.
  run -0 define listed 'schedule: "*/15 8-17 * * Mon-Fri", timezone: Europe/Berlin, overlap: skip, missed: skip,
    startingDeadline: 10m, jitter: 0s, historyLimit: 5'
  says "plan/listed created"
  run -0 syncline get plans
  [[ ${lines[0]} =~ ^NAME\ +SCHEDULE\ +ZONE\ +LAST\ +PHASE\ +REASON\ +NEXT\ +LAST-SUCCESS\ +NOW$ ]]
  says '*/15 8-17 * * Mon-Fri'
  run -0 syncline get pl listed -o wide
  says "listed-src"
  says "Europe/Berlin"
  says "tier=gold"
  [ "$(syncline get plan -l tier=gold -o name)" = plan/listed ]
  [ -z "$(syncline get plans -l tier=none -o name)" ]
  jq -e '.kind == "SynchronizationPlan" and .status.missed == 0 and .status.lastRun == null and .lastAt == null and
    .spec.source == "listed-src" and .suspended == false and .now == null' <(syncline get plan listed -o json)
  syncline get plan listed -o yaml >again.yaml
  run -0 syncline apply -f again.yaml
  [ "$output" = "plan/listed unchanged" ]
  run -0 syncline diff -f again.yaml
  [ -z "$output" ]
  sed -i 's/overlap: skip/overlap: replace/' again.yaml
  run -1 syncline diff -f again.yaml
  says '+  overlap: replace'
  says '--- plan/listed (as it is)'
  [ "$(completed run lis)" = listed ]
  [ "$(completed describe plan/l)" = plan/listed ]
  # of another kind there is none
  run -3 syncline get sync listed
  says "there is no sync/listed: it is a SynchronizationPlan, plan/listed"
  run -3 syncline describe plan/liste
  says "there is no plan named liste; did you mean listed?"
  [ -z "$(syncline get syncs -o name)" ]
}

@test "get plans -w: what is empty in a later row moves no column" {
  # Goal: who looks on sees each value below its heading. Method: a plan that is suspended, which has no next time.
  run -0 define column 'schedule: "0 0 29 2 *"'
  eventually 10 of column .nextAt
  "$SYNCLINE_BIN/syncline" --state-dir "$STACK" get plan column -w >lines 3>&- &
  STACK_STARTED+=("$!")
  eventually 10 grep -q '^column' lines
  syncline suspend column
  eventually 10 grep -q 'suspended$' lines
  heading=$(head -n 1 lines) row=$(tail -n 1 lines)
  heading=${heading%%NOW*} row=${row%%suspended*}
  [ "${#row}" = "${#heading}" ]
  kill -INT "$!"
}

@test "a name that is wrong, or more than a name, is refused with what to type" {
  # Goal: KIND/NAME where a name is wanted, what there is none of, formats. Method: what people type who know kubectl.
  define alone 'schedule: "0 0 29 2 *"'
  for command in run verify suspend resume wait; do
    run -2 syncline "$command" plan/alone
    says "$command wants a name alone, without its kind: alone, not plan/alone"
  done
  for command in cancel approve retry report; do
    run -2 syncline "$command" job/alone-1
    says "$command wants a name alone, without its kind: alone-1, not job/alone-1"
  done
  run -2 syncline run plan/
  says "run wants a name alone, without its kind: NAME, not plan/"
  run -3 syncline filter test alne file
  says "next: syncline get syncs --all, or syncline get plans"
  run -2 syncline get plans -o csv
  says "there is no format 'csv': table, wide, json, name, yaml"
}

@test "describe tells its next five times, by the clocks of its zone and in UTC, across a change of them" {
  # Goal: words, zone and offset, jitter; a time in the gap comes after it, as planners tell it.
  # Method: the second Sunday in March of New York, whatever the year; jitter is the same each time.
  define told 'schedule: "30 2 8-14 3 *", timezone: America/New_York, jitter: 10m'
  run -0 syncline describe plan/told
  says "that is          at 02:30 on days 8 to 14 of the month in March"
  says "timezone         America/New_York"
  says "next: nothing: it comes by itself. To run it now: syncline run told --wait"
  [ "$(grep -cE '^[0-9]{4}-03-[01][0-9]T0[67]:[03]0:00Z +[A-Z][a-z]{2} [0-9-]{10} 0[23]:[03]0:00 -0[45]:00 ' <<<"$output")" = 5 ]
  # each of the five starts the same while later
  [ "$(sed -n 's/^jitter .* starts \(.*\) later$/\1/p' <<<"$output")" = \
    "$(syncline describe plan/told | sed -n 's/^jitter .* starts \(.*\) later$/\1/p')" ]
  syncline set told schedule='@every 90m' timezone=
  run -0 syncline describe plan/told
  says "that is          every 1h30m, counted from when it was made"
  syncline set told schedule='15 * * * *' timezone=Asia/Kathmandu jitter=
  run -0 syncline describe plan/told
  says "that is          at minute 15 of every hour"
  [ "$(grep -cE ' \+05:45$' <<<"$output")" = 5 ]
}

@test "a name is enough: run, verify, set, suspend, resume, wait, delete a plan as anything else" {
  # Goal: run now has trigger manual and exit code 5 while a job is active; a suspended plan starts nothing; nothing of
  # it is left after delete.
  # Method: a plan that never comes by itself while this runs.
  define now 'schedule: "0 0 29 2 *"'
  run -0 syncline run now --wait --json --progress=none
  jq -e '.trigger == "manual" and .phase == "Succeeded" and .scheduledFor == null and .kind == "SynchronizationPlan"' <<<"$output"
  [ "$(cat "$DIR/now-dst/file")" = "of now" ]
  syncline verify now
  syncline wait now
  [ "$(of now .status.lastRun.job)" = now-2 ]
  run -0 syncline describe job/now-1
  says "of               plan/now"
  # events of its jobs and its own, the newest first
  run -0 syncline describe plan/now
  events=$(sed -n '/^latest events$/,/^$/p' <<<"$output")
  grep -qE '^2[^ ]+Z +now-2 +Succeeded' <<<"$(sed -n 3p <<<"$events")"
  says "now-1 Probing"
  syncline set now delete.enabled=true
  run -0 syncline describe plan/now
  [[ $output =~ Z\ +Applied\ +plan/now\ configured ]]
  run -0 syncline describe asset/now-dst
  says "next: syncline describe plan/now"
  run -0 syncline suspend now
  run -5 syncline run now
  says "next: syncline resume now"
  run -0 syncline get plans
  says "suspended"
  run -0 syncline describe plan/now
  says "suspended        yes: nothing starts, and its times are skipped"
  says "next: syncline resume now"
  [[ $output =~ Z\ +Suspended\ +plan/now\ suspended ]]
  syncline suspend now # done twice is told once
  syncline resume now
  run -0 syncline events -o json
  [ "$(grep -c '"plan/now suspended"' <<<"$output") $(grep -c '"plan/now resumed"' <<<"$output")" = "1 1" ]
  # one that takes a while
  head -c 4000000 /dev/urandom >"$DIR/now-src/large"
  run -0 syncline set now limits.bandwidth=200KiB/s
  [ "${lines[0]}" = "plan/now configured" ]
  syncline run now
  run -5 syncline run now
  says "job now-3"
  run -5 syncline delete plan/now
  says "plan/now cannot be deleted: its job now-3 is active"
  [[ $(of now .now) == "now-3 is "* ]]
  syncline cancel now-3 --wait
  run -2 syncline set now schedule='0 25 * * *'
  run -0 syncline delete plan/now
  [ "$output" = "plan/now deleted" ]
  [ "$(stack_psql -c "SELECT count(*) FROM schedule c LEFT JOIN synchronization s ON s.id = c.synchronization
                       WHERE s.name = 'now' OR s.id IS NULL")" = 0 ]
}

@test "what waits and what was skipped is told, with its reason" {
  # Goal: get, describe, status, events and wait say what waits for what and why a time was skipped; the active job
  # is what the plan's name means.
  # Method: rows as planners write them, while none looks.
  define shown 'schedule: "0 0 29 2 *"'
  no_planner
  time_row shown 1 Succeeded false '' ''
  time_row shown 2 Skipped false StillRunning 'job shown-1 of 01:00 still ran'
  time_row shown 3 Running false '' ''
  time_row shown 4 Queued true '' 'job shown-3, which still runs'
  jq -e '.status | .waitingJob == "shown-4" and .waitingFor == "job shown-3, which still runs" and
    .activeJob == "shown-3" and .lastJob == "shown-3" and .lastPhase == "Running" and .lastRun.job == "shown-3"' \
    <(syncline get plan shown -o json)
  [ "$(of shown .now)" = 'shown-3 is Running, shown-4 waits' ]
  [ "$(of shown .lastAt)" = 2001-02-03T03:00:00.000Z ]
  # what holds up the active one says more than that another one waits for it
  stack_psql -c "UPDATE job SET waiting_for = 'an asset that is away' WHERE name = 'shown-3'"
  [ "$(of shown .status.waitingFor)" = 'an asset that is away' ]
  stack_psql -c "UPDATE job SET waiting_for = NULL WHERE name = 'shown-3'"
  run -0 syncline describe plan/shown
  says "waiting          shown-4, of 2001-02-03T04:00:00Z, waits for job shown-3, which still runs, until "
  [[ $output =~ shown-2\ +2001-02-03T02:00:00Z\ +schedule\ +Skipped\ +StillRunning ]]
  says "next: syncline describe job/shown-3; shown-4 is next, or syncline cancel shown-4"
  run -0 syncline get job shown-2 -o wide
  says "2001-02-03T02:00:00.000Z"
  jq -e '.trigger == "schedule" and .scheduledFor == "2001-02-03T04:00:00.000Z" and .startBy != null and
    .waitingFor == "job shown-3, which still runs" and .phase == "Queued"' <(syncline get job shown-4 -o json)
  run -0 syncline describe job/shown-4
  says "scheduled for    2001-02-03T04:00:00Z"
  says "next: it starts when its turn comes: syncline wait shown-4, or syncline cancel shown-4"
  run -0 syncline describe job/shown-2
  says "next: syncline describe plan/shown, or to run it now: syncline run shown --wait"
  run -0 syncline wait shown-2
  says "shown-2: job shown-1 of 01:00 still ran"
  run -0 syncline report shown-2
  run syncline status
  says "shown-4 waits for job shown-3, which still runs"
  run syncline doctor
  [[ $output != *"shown-4"* ]] # it waits for nobody
  # the active one is what its name means
  run -10 syncline wait shown --timeout 100ms
  says "shown-3"
  run -5 syncline run shown
  says "job shown-3"
  run -0 syncline cancel shown-4
  run -0 syncline describe job/shown-4
  says "Queued, was asked to end"
}

@test "a problem is told, and what to type" {
  # Goal: a plan whose times cannot be told says why. Method: the row as a planner without the zone writes it.
  define astray 'schedule: "0 0 29 2 *"'
  no_planner
  stack_psql -c "UPDATE schedule SET problem = 'no zone of that name here', next_at = NULL WHERE synchronization =
    (SELECT id FROM synchronization WHERE name = 'astray')"
  [ "$(of astray .status.problem)" = 'no zone of that name here' ]
  [ "$(of astray .now)" = 'see problem' ]
  run -0 syncline describe plan/astray
  says "problem          no zone of that name here"
  says "syncline set plan/astray FIELD=VALUE"
  run syncline doctor
  says "when plan astray comes cannot be told: no zone of that name here"
  # a time that nobody decides
  [[ $output != *"was due at"* ]]
  stack_psql -c "UPDATE schedule SET problem = NULL, next_at = '2001-02-03 04:05Z', next_due = '2001-02-03 04:05:06Z'
    WHERE synchronization = (SELECT id FROM synchronization WHERE name = 'astray')"
  run syncline doctor
  says "plan astray was due at 2001-02-03 04:05:06Z, and no planner has looked"
}

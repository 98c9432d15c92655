#!/usr/bin/env bats
# bats file_tags=slow
# Plans, and a clock that is moved by a day: what has passed is told, what comes comes, and nothing twice.

load ../harness/stack
load ../harness/clock

setup() {
  stack_setup
  hourly="$(((10#$(date +%M) + 30) % 60)) * * * *" # no time of it comes by itself while a test runs
}
teardown() {
  local status=0
  stack_teardown || status=1
  clock_end
  return "$status"
}

# plan NAME SCHEDULE [FIELDS]
plan() {
  mkdir -p "$WORK/src" "$WORK/$1"
  echo content >"$WORK/src/file"
  syncline -q apply -f - <<YAML
apiVersion: syncline/v1
kind: Asset
metadata: {name: src}
spec: {directory: {path: $WORK/src}}
---
apiVersion: syncline/v1
kind: Asset
metadata: {name: to-$1}
spec: {directory: {path: $WORK/$1}}
---
apiVersion: syncline/v1
kind: SynchronizationPlan
metadata: {name: $1}
spec: {source: src, destination: to-$1, schedule: "$2"${3:+, $3}}
YAML
}

# rows PLAN WHERE: how many of its times
rows() {
  stack_psql -c "SELECT count(*) FROM job j JOIN synchronization s ON s.id = j.synchronization
    WHERE s.name = '$1' AND j.scheduled_for IS NOT NULL AND ($2)"
}
rows_are() { [[ $(rows "$1" "$2") == "$3" ]]; }
rows_at_least() { (($(rows "$1" "$2") >= $3)); }

# hours_whole PLAN: its times are hours that follow each other
hours_whole() {
  [[ $(stack_psql -c "SELECT count(*) = count(DISTINCT scheduled_for) AND max(scheduled_for) - min(scheduled_for) =
    (count(*) - 1) * interval '1 hour' FROM job j JOIN synchronization s ON s.id = j.synchronization
    WHERE s.name = '$1' AND scheduled_for IS NOT NULL") == t ]]
}

@test "forward by a day: what passed is told, and comes once or not at all" {
  # Goal: each hour of the day that was left out is a row: of `missed: once` the latest one is done, of `skip` none.
  # Method: two plans of each hour; the clock goes forward by a day.
  clock_up
  plan once "$hourly"
  plan skip "$hourly" "missed: skip"
  clock_set +1d
  eventually 10 rows_are once "phase = 'Succeeded'" 1
  eventually 10 rows_are skip "phase = 'Skipped' AND reason = 'Missed'" 24
  rows_are once "phase = 'Skipped' AND reason = 'Missed'" 23
  rows_are once "phase = 'Succeeded' AND scheduled_for > clock_timestamp() - interval '1 hour'" 1
  hours_whole once
  hours_whole skip
  cmp "$WORK/src/file" "$WORK/once/file"
  [ ! -e "$WORK/skip/file" ]
  [ "$(stack_psql -c "SELECT name || ' ' || missed FROM v_plans ORDER BY name" | tr '\n' ' ')" = "once 23 skip 24 " ]
}

@test "no planner for four hours: of several times the latest is done, or none" {
  # Goal: what was missed while nothing ran is a row for each time; of `missed: once` the latest one starts, if its
  # starting deadline has not passed.
  # Method: three plans of each hour; the stack is down while the clock goes on by four hours.
  clock_up
  plan once "$hourly"
  plan skip "$hourly" "missed: skip"
  plan late "$hourly" "startingDeadline: 1s"
  syncline down
  clock_set +4h
  clock_up
  eventually 10 rows_are once "phase = 'Succeeded'" 1
  eventually 10 rows_are once "phase = 'Skipped' AND reason = 'Missed'" 3
  eventually 10 rows_are skip "phase = 'Skipped' AND reason = 'Missed'" 4
  eventually 10 rows_are late "phase = 'Skipped' AND reason = 'Missed'" 3
  rows_are late "phase = 'Skipped' AND reason = 'DeadlineExceeded'" 1
  hours_whole once
  hours_whole skip
  hours_whole late
  [ ! -e "$WORK/skip/file" ] && [ ! -e "$WORK/late/file" ]
}

@test "back by a day: times come as the clock says now, and none that came comes again" {
  # Goal: a plan is not silent until the clock is where it was; a time that was done is not done again.
  # Method: a plan of each second; the clock goes back by a day, and forward again to where it was.
  clock_up
  plan often "@every 1s" "overlap: skip, historyLimit: 10000"
  eventually 10 rows_at_least often true 3
  stack_psql -c "CREATE TABLE before AS SELECT id, name, scheduled_for FROM job"
  clock_set -1d
  eventually 10 rows_at_least often "scheduled_for < clock_timestamp() + interval '1 hour' AND
    scheduled_for < (SELECT min(scheduled_for) FROM before) - interval '1 hour' AND phase = 'Succeeded'" 3
  clock_set +0
  eventually 10 rows_at_least often "scheduled_for > (SELECT max(scheduled_for) + interval '2 s' FROM before) AND
    phase = 'Succeeded'" 2
  [ "$(stack_psql -c "SELECT count(*) FROM before b JOIN job j USING (scheduled_for) WHERE j.id <> b.id")" = 0 ]
  [ "$(stack_psql -c "SELECT count(*) FROM before b WHERE NOT EXISTS (SELECT FROM job j WHERE j.id = b.id)")" = 0 ]
  grep -q event=clock_back "$STACK"/log/planner-1.log
}

@test "forward and back again: what was told as missed comes in its time" {
  # Goal: a clock that was wrong for a while costs no time that is still to come.
  # Method: a plan of each second; forward by an hour, until times are told as missed, and back.
  clock_up
  plan often "@every 1s" "overlap: skip, historyLimit: 10000"
  eventually 10 rows_at_least often "phase = 'Succeeded'" 1
  clock_set +1h
  eventually 10 rows_at_least often "reason = 'Missed'" 10
  clock_set +0
  eventually 10 rows_are often "reason = 'Missed' AND scheduled_for > clock_timestamp()" 0
  stack_psql -c "CREATE TABLE back AS SELECT clock_timestamp() AS at"
  eventually 15 rows_at_least often "phase = 'Succeeded' AND scheduled_for > (SELECT at FROM back) AND
    scheduled_for < clock_timestamp()" 3
}

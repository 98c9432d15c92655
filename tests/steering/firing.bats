#!/usr/bin/env bats
# bats file_tags=slow
# Plans that come while somebody looks: each time is once a job, whatever its job before it does, and each that did not
# start says why.
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
# nothing goes on beside the next test
teardown() {
  local name
  for name in $(syncline get plans -o name); do syncline -q suspend "${name#plan/}"; done
}

# define NAME FIELDS: a plan of every 2 s over a tree that takes its first job 5 s at 100 kB/s, with its assets
define() {
  mkdir -p "$DIR/$1-src" "$DIR/$1-dst"
  head -c 600000 /dev/urandom >"$DIR/$1-src/file"
  {
    printf -- '---\napiVersion: syncline/v1\nkind: Asset\nmetadata: {name: %s}\nspec: {directory: {path: %s}}\n' \
      "$1-src" "$DIR/$1-src" "$1-dst" "$DIR/$1-dst"
    printf -- '---\napiVersion: syncline/v1\nkind: SynchronizationPlan\nmetadata: {name: %s}\n' "$1"
    printf 'spec: {source: %s-src, destination: %s-dst, schedule: "@every 2s", %s}\n' "$1" "$1" "$2"
  } >"$1.yaml"
  syncline apply -f "$1.yaml"
}
SLOW='limits: {bandwidth: 100kB/s}'

# row NAME NUMBER: phase and reason
row() { stack_psql -F ' ' -c "SELECT phase, coalesce(reason, '') FROM v_jobs WHERE name = '$1-$2'"; }
row_is() { [[ $(row "$1" "$2") == "$3"* ]]; }
# came NAME COUNT: so many of its times have become rows
came() { sql_true "SELECT count(*) >= $2 FROM v_jobs WHERE synchronization = '$1' AND trigger = 'schedule'"; }
# each_once NAME: no time between the first and the last is missing or twice, they are whole steps from when the plan was
# made, the first one after one step; jobs of it never ran at the same time
each_once() {
  [ "$(stack_psql -c "SELECT count(*) = extract(epoch FROM max(scheduled_for) - min(scheduled_for)) / 2 + 1,
      min(scheduled_for) = date_trunc('milliseconds', s.created_at) + interval '2 s', count(*) = count(DISTINCT scheduled_for)
      FROM job j JOIN synchronization s ON s.id = j.synchronization
     WHERE s.name = '$1' AND j.scheduled_for IS NOT NULL GROUP BY s.created_at")" = 't|t|t' ]
  [ "$(stack_psql -c "SELECT count(*) FROM v_jobs a JOIN v_jobs b USING (synchronization) WHERE a.synchronization = '$1'
     AND a.id < b.id AND a.started_at IS NOT NULL AND b.started_at IS NOT NULL
     AND tstzrange(a.started_at, a.finished_at) && tstzrange(b.started_at, b.finished_at)")" = 0 ]
}
says() { [[ $output == *"$1"* ]] || { printf 'says not "%s":\n%s\n' "$1" "$output" >&2; return 1; }; }

@test "a plan fires by itself, each time once, and says when it comes next" {
  # Goal: jobs with trigger schedule at whole steps; last and next in get and describe; no time of an earlier schedule
  # after a change. Method: every 2 s over a job that is short, then once a year.
  define by-itself 'overlap: skip'
  eventually 20 row_is by-itself 3 Succeeded
  each_once by-itself
  cmp by-itself-src/file by-itself-dst/file
  jq -e '.trigger == "schedule" and .kind == "SynchronizationPlan" and .scheduledFor != null and .startBy != null' \
    <(syncline get job by-itself-2 -o json)
  jq -e '(.nextAt | sub("\\.[0-9]+"; "") | fromdate) > (.lastAt | sub("\\.[0-9]+"; "") | fromdate) and
    .phase != null and .status.lastRun.trigger == "schedule" and .lastSuccess != null' <(syncline get plan by-itself -o json)
  run -0 syncline set by-itself schedule=@yearly
  [ "$output" = "plan/by-itself configured" ]
  eventually 10 sql_true "SELECT next_at = date_trunc('year', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 year'
    FROM v_plans WHERE name = 'by-itself'"
  local before
  before=$(stack_psql -c "SELECT count(*) FROM v_jobs WHERE synchronization = 'by-itself'")
  # another plan comes meanwhile: planners look, and find nothing of this one
  define beside "$SLOW"
  eventually 10 came beside 1
  [ "$(stack_psql -c "SELECT count(*) FROM v_jobs WHERE synchronization = 'by-itself'")" = "$before" ]
}

@test "overlap skip: times that come while a job runs are skipped, and say so" {
  # Method: every 2 s over a first job of 5 s.
  define skips "overlap: skip, $SLOW"
  eventually 30 sql_true "SELECT count(*) >= 2 FROM v_jobs WHERE synchronization = 'skips' AND phase = 'Succeeded'"
  row_is skips 1 Succeeded
  row_is skips 2 'Skipped StillRunning'
  each_once skips
  run -0 syncline wait skips-2
  says "skips-1"
  run -0 syncline describe plan/skips
  [[ $output =~ skips-2\ .*\ Skipped\ +StillRunning ]]
}

@test "overlap queue-one: one time waits for its turn, later ones are skipped" {
  # Goal: what waits says for what; its turn comes as soon as the job before it has ended; what is cancelled while it
  # waits is Cancelled in every place. Method: every 2 s over a first job of 5 s; twice.
  define queues "overlap: queue-one, $SLOW"
  eventually 20 sql_true "SELECT waits FROM v_jobs WHERE name = 'queues-2'"
  jq -e '.status.waitingJob == "queues-2" and .status.activeJob == "queues-1"' <(syncline get plan queues -o json)
  run -0 syncline describe job/queues-2
  says "waiting for      job queues-1, which still runs"
  eventually 20 row_is queues 3 'Skipped AlreadyWaiting'
  eventually 30 row_is queues 2 Succeeded
  each_once queues
  sql_true "SELECT b.started_at - a.finished_at < interval '10 s' AND b.started_at >= a.finished_at
    FROM v_jobs a, v_jobs b WHERE a.name = 'queues-1' AND b.name = 'queues-2'"
  define cancelled "overlap: queue-one, $SLOW"
  eventually 20 sql_true "SELECT waits FROM v_jobs WHERE name = 'cancelled-2'"
  run -0 syncline cancel cancelled-2 --wait
  run -9 syncline wait cancelled-2
  [ "$(stack_redis HGET syncline:job:cancelled-1 phase)" = Running ]
  eventually 10 view_is cancelled-2 Cancelled
  eventually 30 row_is cancelled 1 Succeeded
  each_once cancelled
}
view_is() { [[ $(stack_redis HGET "syncline:job:$1" phase) == "$2" ]]; }

@test "overlap replace: the job that runs is cancelled, and the later time takes its place" {
  define replaces "overlap: replace, $SLOW"
  eventually 30 row_is replaces 1 Cancelled
  eventually 30 sql_true "SELECT started_at IS NOT NULL OR reason = 'Replaced' FROM v_jobs WHERE name = 'replaces-2'"
  # with a pace at which they end in time they go on
  syncline set replaces limits.bandwidth=
  eventually 30 sql_true "SELECT EXISTS (SELECT FROM v_jobs WHERE synchronization = 'replaces' AND phase = 'Succeeded')"
  each_once replaces
}

@test "times that come while a plan is suspended are skipped, and none is made up for" {
  define rests 'overlap: skip'
  eventually 20 row_is rests 1 Succeeded
  syncline suspend rests
  [ "$(syncline get plan rests -o json | jq -r .nextAt)" = null ]
  local last
  last=$(stack_psql -c "SELECT max(scheduled_for) + interval '5 s' FROM v_jobs WHERE synchronization = 'rests'")
  eventually 15 sql_true "SELECT clock_timestamp() > timestamptz '$last'"
  run -5 syncline run rests
  syncline resume rests
  eventually 20 sql_true "SELECT count(*) >= 2 FROM v_jobs WHERE synchronization = 'rests' AND reason = 'PlanSuspended'"
  eventually 20 sql_true "SELECT count(*) >= 2 FROM v_jobs WHERE synchronization = 'rests' AND phase = 'Succeeded'"
  each_once rests
  sql_is 0 "SELECT missed FROM v_plans WHERE name = 'rests'"
  sql_is 0 "SELECT count(*) FROM v_jobs WHERE synchronization = 'rests' AND reason = 'Missed'"
}

@test "a plan whose source is away waits and tries again until its starting deadline, and says so" {
  # Goal: waitingFor names what is away and until when; if it comes back before, the job goes on; if not, the job is
  # Failed with what it found. Method: a source that is moved away, and back.
  define away 'overlap: skip, startingDeadline: 5s, retry: {backoff: 200ms, maxBackoff: 500ms}'
  mv away-src elsewhere
  eventually 20 sql_true "SELECT waiting_for LIKE '%away-src%' FROM v_jobs WHERE synchronization = 'away'
    AND phase = 'Probing' ORDER BY id DESC LIMIT 1"
  run -0 syncline describe plan/away
  says "it waits for     "
  eventually 30 sql_true "SELECT EXISTS (SELECT FROM v_jobs WHERE synchronization = 'away' AND phase = 'Failed'
    AND reason = 'SourceMissing')"
  mv elsewhere away-src
  eventually 30 sql_true "SELECT EXISTS (SELECT FROM v_jobs WHERE synchronization = 'away' AND phase = 'Succeeded')"
  each_once away
}

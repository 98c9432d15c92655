#!/usr/bin/env bats
# bats file_tags=slow
# What who watches gets: pages of a planner, states of assets, workers that are drained, alerts that name what there is.

load ../harness/stack
load ../harness/jobs

setup() { stack_setup; }
teardown() { stack_teardown; }

# page PATH [CURL OPTION…]: of the first planner; its body, then its status on a line of its own
page() {
  local path=$1
  shift
  curl -sS --max-time 10 --unix-socket "$STACK/run/planner-1.http" -w '%{http_code}\n' "$@" "http://planner$path"
}

metrics() { page /metrics | sed '$d'; }
# metric SERIES: its value; nothing if it is not there
metric() { metrics | SERIES=$1 awk '{ value = $NF; sub(/ [^ ]*$/, "") } $0 == ENVIRON["SERIES"] { print value }'; }
metric_is() { [[ $(metric "$1") == "$2" ]]; }
metric_least() { awk -v a="$(metric "$1")" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 >= b + 0) }'; }
page_is() { [[ $(page "$1" | tail -n 1) == "$2" ]]; }
redis_is() { [[ $(stack_redis HGET "syncline:asset:$1" "$2") == "$3" ]]; }

# format_check: standard input is what Prometheus takes: HELP and TYPE once and first, names and labels as they must
# be, no series twice, histograms whole
format_check() {
  awk '
    function bad(why) { print why ": " $0 >"/dev/stderr"; failed = 1; exit 1 }
    BEGIN {
      label = "[a-zA-Z_][a-zA-Z0-9_]*=\"([^\"\\\\]|\\\\[\"\\\\n])*\""
      sample = "^[a-zA-Z_:][a-zA-Z0-9_:]*([{]" label "(," label ")*[}])? [0-9]+([.][0-9]+)?(e[-+]?[0-9]+)?$"
    }
    /^# HELP / { if (helps[$3]++) bad("HELP twice"); next }
    /^# TYPE / {
      if (types[$3] || !helps[$3]) bad("TYPE twice, or without HELP")
      if ($4 !~ /^(counter|gauge|histogram)$/ || ($4 == "counter") != ($3 ~ /_total$/)) bad("not this type")
      types[last = $3] = $4
      next
    }
    {
      if ($0 !~ sample) bad("not a sample")
      series = $0
      sub(/ [^ ]*$/, "", series)
      if (seen[series]++) bad("twice")
      name = series
      sub(/[{].*/, "", name)
      if (types[last] == "histogram") sub(/_(bucket|sum|count)$/, "", name)
      if (name != last) bad("not below its TYPE")
    }
    END { exit failed }'
}

@test "a planner's pages: metrics that Prometheus takes, whether it lives, whether it is ready" {
  # Goal: every name of the list, right numbers, labels without paths and job names; other pages and methods are refused.
  # Method: a defined pair and an ad-hoc one, each run; the page is read by a strict check.
  syncline up -q
  tree_make "$WORK/a" 20
  mkdir "$WORK/b"
  sync_define 'say "p\q"' "$WORK/a" "$WORK/b"
  syncline run 'say "p\q"' --wait -q
  syncline sync -q "$WORK/a" "$WORK/c"
  eventually 10 page_is /readyz 200
  page_is /healthz 200
  eventually 10 metric_is 'syncline_jobs{sync="adhoc",phase="Succeeded"}' 1
  metrics >"$WORK/page"
  format_check <"$WORK/page"
  for name in syncline_jobs syncline_job_duration_seconds syncline_moved_bytes_total syncline_items_total \
    syncline_verify_mismatches_total syncline_last_success_timestamp_seconds syncline_leases_expired_total \
    syncline_lanes syncline_queue_oldest_seconds syncline_dependency_up syncline_asset_ready syncline_build_info; do
    grep -q "^# TYPE $name " "$WORK/page" || { echo "no $name" >&2; false; }
  done
  ! grep -qE "live|plan_missed|$WORK|sync-|say \"" "$WORK/page"
  metric_is 'syncline_moved_bytes_total{sync="say \"p\\q\""}' "$(tree_bytes "$WORK/a")"
  metric_is 'syncline_moved_bytes_total{sync="adhoc"}' "$(tree_bytes "$WORK/a")"
  metric_is 'syncline_items_total{sync="adhoc",operation="put",outcome="moved"}' "$(tree_entries "$WORK/a")"
  metric_is 'syncline_job_duration_seconds_count{sync="adhoc",phase="Succeeded"}' 1
  metric_is 'syncline_job_duration_seconds_bucket{sync="adhoc",phase="Succeeded",le="+Inf"}' 1
  metric_is 'syncline_dependency_up{dependency="postgres"}' 1
  metric_is 'syncline_dependency_up{dependency="redis"}' 1
  metric_is 'syncline_queue_oldest_seconds' 0
  metric_least 'syncline_last_success_timestamp_seconds{sync="adhoc"}' "$(($(date +%s) - 600))"
  metric_is "syncline_build_info{version=\"$(syncline version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+')\",schema=\"1\"}" 1
  page_is / 404
  page_is /metrics/x 404
  [ "$(page /metrics -X POST -d x | tail -n 1)" = 405 ]
  [ "$(page /healthz -X DELETE | tail -n 1)" = 405 ]
  # sums stay when the jobs they come from go
  stack_psql -c "DELETE FROM job"
  eventually 10 metric_is 'syncline_jobs{sync="adhoc",phase="Succeeded"}' ''
  metric_is 'syncline_moved_bytes_total{sync="adhoc"}' "$(tree_bytes "$WORK/a")"
}

@test "a planner without a worker, or without Postgres, says that it is not ready, and why" {
  # Goal: 503 with the reason, and 200 when it has passed; the process itself is well all the time.
  # Method: the verifier is stopped, then Postgres ended while the supervisor cannot start it again.
  syncline up -q
  eventually 10 page_is /readyz 200
  local pid supervisor
  pid=$(stack_pid verifier-1)
  kill -STOP "$pid"
  eventually 10 page_is /readyz 503
  [[ $(page /readyz) == *"no verifier is there"* ]]
  page_is /healthz 200
  kill -CONT "$pid"
  eventually 20 page_is /readyz 200

  supervisor=$(stack_pid supervisor)
  kill -STOP "$supervisor"
  kill -INT "$(stack_pid postgres-1)"
  eventually 10 page_is /readyz 503
  [[ $(page /readyz) == *"Postgres cannot be reached"* ]]
  page_is /healthz 200
  metric_is 'syncline_dependency_up{dependency="postgres"}' 0
  metric_is 'syncline_dependency_up{dependency="redis"}' 1
  metrics | format_check
  kill -CONT "$supervisor"
  eventually 20 page_is /readyz 200
  eventually 5 metric_is 'syncline_dependency_up{dependency="postgres"}' 1
}

@test "a Postgres that hangs costs numbers, not the pages, and not the planner's end" {
  # Goal: /healthz answers at once, /metrics after a moment without what it cannot know; the planner ends in order.
  # Method: the backend that serves the pages is stopped; pages are read; the planner gets SIGTERM.
  local backend planner
  syncline up -q
  eventually 10 page_is /readyz 200
  eventually 10 metric_is 'syncline_queue_oldest_seconds' 0
  backend=$(stack_psql -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'syncline-planner planner-1 metrics'")
  kill -STOP "$backend"
  eventually 10 page_hangs
  metrics >"$WORK/page" # its wait ends that of the one before
  page_is /healthz 200
  format_check <"$WORK/page"
  grep -q 'dependency_up{dependency="postgres"} 0' "$WORK/page"
  planner=$(stack_pid planner-1)
  kill -STOP "$(stack_pid supervisor)"
  kill -TERM "$planner"
  eventually 5 is_gone "$planner"
  kill -CONT "$backend" "$(stack_pid supervisor)"
}

page_hangs() { ! page /metrics --max-time 1 >/dev/null 2>&1; }

@test "an asset that goes away is Failed with its reason, and Ready again when it is back" {
  # Goal: without any job, in SQL, in Redis, in the log and in the metrics, with the moment of the change.
  # Method: the directory is renamed away and back; its probe is made due by SQL.
  syncline up -q
  mkdir "$WORK/a" "$WORK/b"
  sync_define p "$WORK/a" "$WORK/b"
  eventually 20 sql_is 'Ready Ready' "SELECT string_agg(state, ' ') FROM v_assets"
  eventually 10 redis_is p-src state Ready
  eventually 10 metric_is 'syncline_asset_ready{asset="p-src"}' 1
  sql_true "SELECT bool_and(bytes_free > 0 AND bytes_total >= bytes_free AND probed_at IS NOT NULL) FROM v_assets"

  mv "$WORK/a" "$WORK/away"
  stack_psql -c "UPDATE asset SET probe_next = now(), since = '2020-01-01'"
  eventually 20 sql_is 'Failed SourceMissing' "SELECT state || ' ' || reason FROM v_assets WHERE name = 'p-src'"
  sql_true "SELECT message LIKE '%$WORK/a%does not exist%' AND since > '2021-01-01' FROM v_assets WHERE name = 'p-src'"
  sql_true "SELECT state = 'Ready' AND since < '2021-01-01' FROM v_assets WHERE name = 'p-dst'"
  eventually 10 redis_is p-src state Failed
  redis_is p-src reason SourceMissing
  eventually 10 metric_is 'syncline_asset_ready{asset="p-src"}' 0
  metric_is 'syncline_asset_ready{asset="p-dst"}' 1
  sql_is 1 "SELECT count(*) FROM v_events WHERE kind = 'AssetFailed' AND message LIKE 'p-src: SourceMissing: %'"
  grep -q 'event=asset_failed.*asset="p-src".*reason=SourceMissing' "$STACK/log/planner-1.log"
  stack_redis XRANGE syncline:events - + | grep -q AssetFailed

  mv "$WORK/away" "$WORK/a"
  stack_psql -c "UPDATE asset SET probe_next = now()"
  eventually 20 sql_is Ready "SELECT state FROM v_assets WHERE name = 'p-src' AND reason IS NULL AND message IS NULL"
  eventually 10 redis_is p-src state Ready
  eventually 10 metric_is 'syncline_asset_ready{asset="p-src"}' 1
  grep -q 'event=asset_ready.*asset="p-src"' "$STACK/log/planner-1.log"
}

@test "a source that is another directory than jobs have read is not fit; a job's own probe says it too" {
  # Goal: an empty mount point does not look like a source; the job that finds it leaves the same state.
  # Method: another directory of the same name; a probe, then a job.
  syncline up -q
  tree_make "$WORK/a" 5
  mkdir "$WORK/b"
  sync_define p "$WORK/a" "$WORK/b"
  syncline run p --wait -q
  mv "$WORK/a" "$WORK/other"
  mkdir "$WORK/a"
  stack_psql -c "UPDATE asset SET probe_next = now()"
  eventually 20 sql_is 'Failed SourceChanged' "SELECT state || ' ' || reason FROM v_assets WHERE name = 'p-src'"
  stack_psql -c "UPDATE asset SET state = 'Ready', reason = NULL, probe_next = now() + interval '1 h'"
  run syncline run p --wait -q
  [ "$status" -eq 7 ]
  sql_is 'Failed SourceChanged' "SELECT state || ' ' || reason FROM v_assets WHERE name = 'p-src'"
}

@test "with nobody to ask an asset's state is not known, and says who is missing" {
  # Goal: after a minute without a mover: Unknown, WorkerMissing; the source, for which there is a watcher, is Ready.
  # Method: the mover is stopped; a minute passes.
  syncline up -q
  eventually 10 page_is /readyz 200
  kill -STOP "$(stack_pid mover-1)"
  eventually 10 page_is /readyz 503
  mkdir "$WORK/a" "$WORK/b"
  sync_define p "$WORK/a" "$WORK/b"
  eventually 20 sql_is Ready "SELECT state FROM v_assets WHERE name = 'p-src'"
  eventually 90 sql_is 'Unknown WorkerMissing' "SELECT state || ' ' || reason FROM v_assets WHERE name = 'p-dst'"
  sql_true "SELECT message LIKE 'mover is missing%' FROM v_assets WHERE name = 'p-dst'"
  kill -CONT "$(stack_pid mover-1)"
}

@test "a filesystem that hangs costs its asset the state, and nothing else" {
  # Goal: Failed with AssetUnreachable, and still so when the worker hangs in the question before; other assets, other
  # jobs and the worker's end are as ever.
  # Method: both ends of a pair never end their checks; another pair is run meanwhile.
  syncline up -q
  tree_make "$WORK/a" 5
  mkdir "$WORK/b" "$WORK/c"
  sync_define hung "fault:hang_check=1;dir:$WORK/a" "fault:hang_check=1;dir:$WORK/b"
  eventually 30 sql_is 2 "SELECT count(*) FROM v_assets WHERE state = 'Failed' AND reason = 'AssetUnreachable'"
  sql_true "SELECT bool_and(message LIKE '%a filesystem that hangs%') FROM v_assets WHERE name LIKE 'hung%'"
  sync_define fine "$WORK/a" "$WORK/c"
  eventually 20 sql_is 2 "SELECT count(*) FROM v_assets WHERE state = 'Ready'"
  syncline run fine --wait -q
  same_tree "$WORK/a" "$WORK/c"
  stack_psql -c "UPDATE asset SET probe_next = now(), message = '', since = '2020-01-01' WHERE name LIKE 'hung%'"
  eventually 30 sql_is 2 "SELECT count(*) FROM v_assets WHERE state = 'Failed' AND message LIKE '%still hangs%'"
  sql_true "SELECT bool_and(since < '2021-01-01') FROM v_assets WHERE name LIKE 'hung%'"
  syncline -q down
}

@test "filesystems that hang keep no other job from its probe, however many, and jobs there say so" {
  # Goal: more of them than a worker has threads for probes, and a job that asks for one of them again and again: another
  # job is done, other assets are Ready; the job that hangs says where, makes no storm, and can be cancelled.
  # Method: six pairs that never end their checks, a job of one more, and a job of a pair that is fit.
  syncline up -q
  tree_make "$WORK/a" 5
  mkdir "$WORK/b" "$WORK/c"
  local i
  for i in 1 2 3 4 5 6; do
    mkdir "$WORK/s$i" "$WORK/d$i"
    sync_define "hung$i" "fault:hang_check=1;dir:$WORK/s$i" "fault:hang_check=1;dir:$WORK/d$i"
  done
  sync_define job "fault:hang_check=1;dir:$WORK/a" "$WORK/b"
  syncline run job
  eventually 40 sql_is 13 "SELECT count(*) FROM v_assets WHERE state = 'Failed' AND reason = 'AssetUnreachable'"
  eventually 30 job_has job "waiting_for LIKE 'source or destination, where a look at it hangs%'"
  sync_define fine "$WORK/a" "$WORK/c"
  eventually 10 sql_is 2 "SELECT count(*) FROM v_assets WHERE state = 'Ready' AND name LIKE 'fine%'"
  syncline run fine --wait -q
  same_tree "$WORK/a" "$WORK/c"
  (($(grep -c 'event=batch_lapsed.*step=probe' "$STACK/log/planner-1.log") <= 2))
  syncline cancel job-1 --wait -q || true
  job_has job "phase = 'Cancelled'"
  syncline -q down
}

@test "a destination that a definition lets be made is made by its first job, and by nothing else" {
  # Goal: directory.create: fit while only its last component is missing; a dry run makes nothing; a source never is
  # made, nor anything inside the source, nor more than one level.
  # Method: probes and jobs of pairs whose destination is not there.
  syncline up -q
  tree_make "$WORK/a" 5
  for name in plain made deep inside; do
    case $name in
      plain | made) to=$WORK/$name ;;
      deep) to=$WORK/none/deep ;;
      inside) to=$WORK/a/d0/inside ;;
    esac
    sync_define $name "$WORK/a" "$to"
    [[ $name == plain ]] ||
      stack_psql -c "UPDATE asset SET spec = '{\"directory\": {\"create\": true}}', probe_next = now() WHERE name LIKE '$name-%'"
  done
  eventually 20 sql_is 'Failed Ready Failed' "SELECT string_agg(state, ' ' ORDER BY name) FROM v_assets
    WHERE name IN ('deep-dst', 'made-dst', 'plain-dst')"
  tree_marks "$WORK/a" >"$WORK/before"
  for name in plain deep inside; do
    run syncline run $name --wait -q
    [ "$status" -eq 7 ]
  done
  job_has plain "reason = 'DestinationMissing'"
  job_has deep "reason = 'DestinationMissing'"
  job_has inside "reason = 'Nested'"
  run syncline run made --dry-run --wait -q
  [ "$status" -eq 7 ]
  diff "$WORK/before" <(tree_marks "$WORK/a")
  [ ! -e "$WORK/none" ] && [ ! -e "$WORK/plain" ] && [ ! -e "$WORK/made" ]
  syncline run made --wait -q
  same_tree "$WORK/a" "$WORK/made"
  # the source of another: never
  mv "$WORK/a" "$WORK/gone"
  run syncline run made --wait -q
  [ "$status" -eq 7 ]
  [ ! -e "$WORK/a" ]
}

@test "a worker that is drained gets nothing new, ends what it has, and comes back" {
  # Goal: its state in Redis and in the list; the job goes on with the others; undone, it works again.
  # Method: two movers, one of them drained while a slow job runs.
  syncline up -q --movers 2
  eventually 20 page_is /readyz 200
  tree_make "$WORK/a" 1500
  mkdir "$WORK/b"
  sync_define p "fault:delay_ms=4;dir:$WORK/a" "$WORK/b"
  run syncline worker drain mover-9-00000000
  [ "$status" -eq 3 ]
  local id done_then
  eventually 10 worker_is_listed mover-1
  id=$(worker_id mover-1)
  job_start p
  eventually 30 worker_holds mover-1
  syncline -q worker drain "$id"
  eventually 30 worker_state "$id" drained
  done_then=$(stack_redis HGET "syncline:worker:$id" done)
  syncline worker list | grep -q "$id.*mover.*drained"
  eventually 5 grep -q "event=worker_drained.*id=\"$id\"" "$STACK/log/planner-1.log"
  job_wait p
  is_whole "$WORK/p.json" "$WORK/a"
  # all that it did since are questions about assets
  (($(stack_redis HGET "syncline:worker:$id" done) <= done_then + 4))
  syncline -q worker drain "$id" --undo
  eventually 10 worker_state "$id" active
  run syncline worker drain "$id" --undo
  [ "$status" -eq 0 ]
}
worker_id() { syncline worker list -o json | jq -r --arg name "$1" '.items[] | select(.name == $name) | .id'; }
worker_is_listed() { [[ -n $(worker_id "$1") ]]; }
worker_state() { [[ $(stack_redis HGET "syncline:worker:$1" state) == "$2" ]]; }
worker_holds() { (($(worker_says "$1" busy) > 0)); }

@test "a job waits while all that could do it are drained" {
  # Goal: nothing is given to who is drained, even if there is nobody else; the job says what it waits for.
  # Method: the only mover is drained before the job begins.
  syncline up -q
  eventually 20 page_is /readyz 200
  tree_make "$WORK/a" 5
  mkdir "$WORK/b"
  sync_define p "$WORK/a" "$WORK/b"
  local id
  eventually 10 worker_is_listed mover-1
  id=$(worker_id mover-1)
  syncline -q worker drain "$id"
  eventually 10 worker_state "$id" drained
  eventually 10 page_is /readyz 503
  job_start p
  eventually 10 job_has p "waiting_for = 'a mover'"
  syncline -q worker drain "$id" --undo
  job_wait p
}

@test "a job whose only mover is drained is cancelled, and leaves nothing" {
  # Goal: what a job has staged is taken away by a mover that gets nothing new, as nobody else could.
  # Method: the only mover is drained in mid-job; cancel.
  syncline up -q
  tree_make "$WORK/a" 800
  mkdir "$WORK/b"
  sync_define p "fault:delay_ms=4;dir:$WORK/a" "$WORK/b"
  eventually 10 worker_is_listed mover-1
  job_start p
  eventually 20 view_has p moved 50
  syncline -q worker drain "$(worker_id mover-1)"
  eventually 20 job_has p "waiting_for = 'a mover'"
  syncline -q cancel p-1
  local code=0
  job_wait p 2>/dev/null || code=$?
  [ "$code" -eq 9 ]
  no_leftovers "$WORK/b"
}

@test "what is old goes by itself" {
  # Goal: the planner does it, soon after its start, and says so.
  # Method: rows made old by UPDATE; the planner is started again.
  syncline up -q
  stack_psql -c "INSERT INTO event (at, kind, message) VALUES (now() - interval '31 days', 'Old', 'x')"
  syncline -q down
  syncline up -q
  eventually 20 sql_is 0 "SELECT count(*) FROM event WHERE kind = 'Old'"
  eventually 5 grep -q 'event=retention.*what=events rows=1' "$STACK/log/planner-1.log"
}

@test "alerts and dashboard name metrics that a planner prints" {
  # Goal: no rule watches something that is not there; those of later versions are known by name.
  # Method: every syncline_ name of both files, against the page and the list of what is to come.
  local later=' syncline_live_lag_seconds syncline_watch_overflows_total '
  syncline up -q
  eventually 20 page_is /readyz 200
  metrics | awk '/^# TYPE/ { print $3; if ($4 == "histogram") print $3 "_bucket\n" $3 "_sum\n" $3 "_count" }' >"$WORK/names"
  cd "$BATS_TEST_DIRNAME/../../compose/monitoring"
  jq -e '.panels | length > 5' dashboard.json >/dev/null
  for name in $(grep -ohE 'syncline_[a-z_]+' alerts.yml dashboard.json | sort -u); do
    grep -qx "$name" "$WORK/names" || [[ $later == *" $name "* ]] || { echo "nobody prints $name" >&2; false; }
  done
  # and everything that is printed is on the dashboard
  for name in $(metrics | awk '/^# TYPE/ { print $3 }'); do
    grep -qE "$name" dashboard.json || { echo "not on the dashboard: $name" >&2; false; }
  done
}

#!/usr/bin/env bats
# bats file_tags=slow
# Plans, and planners that die: each of their times comes once, and none is forgotten.

load ../harness/stack
load ../harness/jobs

setup() {
  stack_setup
  trees_in_memory
}
teardown() { stack_teardown; }

# plans_define COUNT: as many plans, each second, of one source, each with a destination of its own
plans_define() {
  local i
  mkdir -p "$WORK/src"
  echo content >"$WORK/src/file"
  {
    asset_yaml src "$WORK/src"
    for ((i = 1; i <= $1; i++)); do
      mkdir "$WORK/to-$i"
      asset_yaml "to-$i" "$WORK/to-$i"
      cat <<YAML
apiVersion: syncline/v1
kind: SynchronizationPlan
metadata: {name: plan-$i}
spec: {source: src, destination: to-$i, schedule: "@every 1s", historyLimit: 10000}
---
YAML
    done
  } >"$WORK/plans.yaml"
  syncline -q apply -f "$WORK/plans.yaml"
}

asset_yaml() {
  printf 'apiVersion: syncline/v1\nkind: Asset\nmetadata: {name: %s}\nspec: {directory: {path: %s}}\n---\n' "$1" "$2"
}

# planners_killed SECONDS COUNT: planners die at random moments, and come back
planners_killed() {
  local until=$((SECONDS + $1)) name
  KILLS=0
  while ((SECONDS < until)); do
    name=planner-$((RANDOM % $2 + 1))
    if stack_kill_one "$name"; then KILLS=$((KILLS + 1)); fi
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))" # the moment is what is random
  done
  echo "# $KILLS kills" >&3
}

# times_whole: of each plan, its times from the first to the last one are there, each once
times_whole() {
  local wrong
  wrong=$(stack_psql -c "
    SELECT name, rows, times, first, last FROM (
      SELECT s.name, count(*) AS rows, count(DISTINCT k) AS times, min(k) AS first, max(k) AS last FROM synchronization s
        JOIN LATERAL (SELECT round(extract(epoch FROM scheduled_for - date_trunc('milliseconds', s.created_at)) * 1000) / 1000
                        AS k FROM job WHERE synchronization = s.id AND scheduled_for IS NOT NULL) j ON true
       GROUP BY s.name) n
     WHERE rows <> times OR first <> 1 OR last <> rows")
  [[ -z $wrong ]] || { printf 'not each time once (rows, times, first, last):\n%s\n' "$wrong" >&2; return 1; }
}

nothing_runs() { [[ $(stack_psql -c "SELECT count(*) FROM v_active WHERE phase <> 'Queued'") == 0 ]]; }

@test "planners that die: each time of each plan is there once" {
  # Goal: however planners die, each (plan, time) has one row, a job or a reason; jobs that began end well.
  # Method: three planners, plans of each second; one planner after another is killed at random moments.
  seed_use
  syncline up --planners 3
  plans_define 20
  planners_killed 20 3
  [ "$KILLS" -ge 10 ]
  eventually 20 plans_go_on
  for ((i = 1; i <= 20; i++)); do syncline -q suspend "plan-$i"; done
  eventually 60 nothing_runs
  times_whole
  [ "$(stack_psql -c "SELECT count(*) FROM job WHERE scheduled_for IS NOT NULL")" -ge 300 ]
  [ "$(stack_psql -c "SELECT count(*) FROM job WHERE phase NOT IN ('Queued', 'Succeeded', 'Skipped')")" = 0 ]
  [ "$(stack_psql -c "SELECT count(DISTINCT synchronization) FROM job WHERE phase = 'Succeeded'")" = 20 ]
  for ((i = 1; i <= 20; i++)); do cmp "$WORK/src/file" "$WORK/to-$i/file"; done
}

# a job of a time that came after all kills has succeeded
plans_go_on() {
  : "${FROM:=$(stack_psql -c "SELECT clock_timestamp()")}"
  [[ $(stack_psql -c "SELECT count(*) FROM job WHERE phase = 'Succeeded' AND scheduled_for > '$FROM'") -ge 5 ]]
}

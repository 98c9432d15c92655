#!/usr/bin/env bats
# A time of a plan whose asset is away waits for it, and tries again, until its starting deadline. On the whole stack.

load ../harness/stack
load ../harness/jobs

setup() {
  stack_setup
  trees_in_memory
}
teardown() { stack_teardown; }

# plan_define NAME SPEC: of $WORK/src and $WORK/dst; its first time comes at once, and the next one in an hour
plan_define() {
  sync_define "$1" "$WORK/src" "$WORK/dst"
  stack_psql -v name="$1" -v spec="$2" <<'SQL'
    UPDATE synchronization SET kind = 'SynchronizationPlan', spec = :'spec'::jsonb || '{"schedule": "@every 1h"}',
           created_at = date_trunc('milliseconds', now()) - interval '1 h' WHERE name = :'name';
    INSERT INTO schedule (synchronization, looked_until)
      SELECT id, now() - interval '1 s' FROM synchronization WHERE name = :'name';
    NOTIFY syncline_plans;
SQL
}

log_count() { cat "$STACK"/log/planner-*.log | grep -c "event=$1 " || true; }

# is_waiting NAME WHAT: it is probing, and says for what it waits
is_waiting() { job_has "$1" "phase = 'Probing' AND waiting_for LIKE '$1-src: $2 (since %Z; %, until 20%Z)'"; }

@test "a source that is away is waited for, whoever dies meanwhile, and the job goes on when it is back" {
  # Goal: the job says for what it waits and until when, another planner keeps to the same deadline, and attempts of
  # retry say nothing about it; a job that nobody scheduled fails at once meanwhile.
  # Method: a source that is not there; its planner is killed; then the source is there.
  tree_make "$WORK/kept" 50
  mkdir "$WORK/dst"
  syncline up -q
  plan_define p '{"retry": {"attempts": 1, "backoff": "100ms", "maxBackoff": "300ms"}}'
  eventually 20 is_waiting p 'the source does not exist'
  until=$(stack_psql -c "SELECT substring(waiting_for FROM 'until (.*)Z') FROM job")
  [ "$(stack_psql -c "SELECT abs(extract(epoch FROM start_by - '$until Z')) <= 1 FROM job")" = t ]
  eventually 20 eval '(( $(log_count place_tried) > 5 ))'
  [[ $(stack_redis HGET syncline:job:p-1 waiting_for) == 'p-src: the source does not exist'* ]]
  sync_define other "$WORK/src" "$WORK/dst2"
  mkdir "$WORK/dst2"
  code=0
  syncline run other --wait --progress=none || code=$?
  [ "$code" -eq 7 ]
  job_has other "reason = 'SourceMissing'"

  planner=$(stack_pid planner-1)
  kill -KILL "$planner"
  eventually 20 is_another planner-1 "$planner"
  eventually 20 eval '(( $(log_count job_claimed) > 2 ))'
  eventually 20 is_waiting p 'the source does not exist'
  again=$(stack_psql -c "SELECT substring(waiting_for FROM 'until (.*)Z') FROM job WHERE name = 'p-1'")
  echo "until $until, then $again" >&2
  [ "$(stack_psql -c "SELECT abs(extract(epoch FROM timestamp '$again' - timestamp '$until')) <= 1")" = t ]

  mv "$WORK/kept" "$WORK/src"
  eventually 20 job_has p "phase = 'Succeeded' AND waiting_for IS NULL"
  same_tree "$WORK/src" "$WORK/dst"
}

@test "after its starting deadline a job whose asset is away ends with the reason; the last try came right before" {
  # Method: the second try would be in an hour; the deadline is in four seconds.
  mkdir "$WORK/dst"
  syncline up -q
  plan_define p '{"startingDeadline": "4s", "retry": {"backoff": "1h", "maxBackoff": "1h"}}'
  eventually 20 job_has p "phase = 'Failed' AND reason = 'SourceMissing'"
  job_has p "finished_at - start_by BETWEEN interval '0' AND interval '3 s'"
  [ "$(log_count job_waits)" -eq 1 ]
  [ "$(log_count place_tried)" -eq 1 ]
}

@test "another directory in the place of the source is waited for, as a mount point without its mount is" {
  tree_make "$WORK/src" 20
  mkdir "$WORK/dst"
  syncline up -q
  plan_define p '{"retry": {"backoff": "100ms", "maxBackoff": "300ms"}}'
  eventually 20 job_has p "phase = 'Succeeded'"
  mv "$WORK/src" "$WORK/away"
  mkdir "$WORK/src"
  stack_psql -c "UPDATE synchronization SET created_at = created_at + (now() - created_at - interval '1 h')" \
    -c "UPDATE schedule SET next_due = '-infinity'" -c "NOTIFY syncline_plans"
  eventually 20 is_waiting p 'the source is not the directory it was'
  eventually 20 eval '(( $(log_count place_tried) > 2 ))'
  [ "$(stack_psql -c "SELECT name FROM job ORDER BY id DESC LIMIT 1")" = p-2 ]
  rmdir "$WORK/src"
  mv "$WORK/away" "$WORK/src"
  eventually 20 job_has p "phase = 'Succeeded'"
  same_tree "$WORK/src" "$WORK/dst"
}

@test "a destination that cannot be reached is waited for; a mover that is not there until the deadline ends the job" {
  mkdir "$WORK/src"
  echo x >"$WORK/src/x"
  syncline up -q
  plan_define p '{"retry": {"backoff": "100ms", "maxBackoff": "300ms"}}'
  eventually 20 job_has p "phase = 'Probing' AND waiting_for LIKE 'p-dst: the destination does not exist (since %, until 20%Z)'"
  mkdir "$WORK/dst"
  eventually 20 job_has p "phase = 'Succeeded'"
  kill -STOP "$(stack_pid mover-1)"
  stack_psql -c "UPDATE synchronization SET created_at = created_at + (now() - created_at - interval '1 h'),
    spec = spec || '{\"startingDeadline\": \"3s\"}'" -c "UPDATE schedule SET next_due = '-infinity'" -c "NOTIFY syncline_plans"
  eventually 20 job_has p "phase = 'Failed' AND reason IN ('WorkerMissing', 'AssetUnreachable')"
  kill -CONT "$(stack_pid mover-1)"
}

@test "plans that wait for their assets, however many, leave room for jobs of others" {
  # Method: more plans than a planner drives jobs at once, of a source that is not there; then a job of another one.
  mkdir "$WORK/here"
  echo x >"$WORK/here/x"
  mkdir "$WORK/there"
  syncline up -q
  plan_define p '{}'
  stack_psql <<'SQL'
    INSERT INTO synchronization (name, kind, source, destination, spec, created_at)
      SELECT 'p' || n, kind, source, destination, spec, created_at FROM synchronization, generate_series(1, 70) n
       WHERE name = 'p';
    INSERT INTO schedule (synchronization, looked_until)
      SELECT id, now() - interval '1 s' FROM synchronization WHERE name ~ '^p[0-9]';
    NOTIFY syncline_plans;
SQL
  waiting() { [[ $(stack_psql -c "SELECT count(*) FROM job WHERE owner IS NOT NULL") -ge $1 ]]; }
  eventually 20 waiting 64
  sync_define other "$WORK/here" "$WORK/there"
  syncline run other --wait --timeout 20s --progress=none
  job_has other "phase = 'Succeeded'"
  eventually 20 waiting 71
}

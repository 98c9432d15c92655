#!/usr/bin/env bats
# Who looks after truth and view: doctor, backup, the view written anew.

bats_require_minimum_version 1.5.0

load ../harness/stack
load ../harness/jobs

setup_file() {
  stack_setup_file
  seed_use
  tree_make "$WORK/src" 30
  syncline sync --progress=none "$WORK/src" "$WORK/dst"
}
teardown_file() { stack_teardown; }

# finding CHECK: the states that doctor gives it, one a line
finding() { syncline doctor --json | jq -r --arg check "$1" '.checks[] | select(.check == $check) | .state'; }

@test "doctor: all is well, as text and as JSON" {
  # Goal: each thing of the list has a line; what is not well has a next step, what is well has none.
  # Method: the JSON's checks, and the same words in the text.
  run -0 --separate-stderr syncline doctor --json
  for check in versions openat2 landlock fanotify inotify descriptors clock disk permissions postgres schema planner \
    waiting redis watcher mover verifier; do
    jq -e --arg check "$check" '.checks | map(select(.check == $check)) | length > 0' <<<"$output"
  done
  jq -e '.checks | all(.state == "ok" or .state == "warning")' <<<"$output"
  jq -e '.checks | all((.state == "ok") == (.next == null))' <<<"$output"
  run -0 syncline doctor
  [[ $output == *"ok       postgres     version 1"* ]]
}

@test "doctor: a setting of Redis, a missing role and a job that is held are warnings with the next step" {
  stack_redis CONFIG SET maxmemory-policy allkeys-lru
  stack_redis CONFIG SET appendonly no
  stack_psql -c "UPDATE job SET phase = 'Held', message = 'would remove 20' WHERE number = 1"
  run -0 syncline doctor
  [[ $output == *"warning  redis        maxmemory-policy is allkeys-lru"* ]]
  [[ $output == *"CONFIG SET appendonly yes"* ]]
  [[ $output == *"warning  waiting"*"is Held: would remove 20"*"syncline approve"* ]]
  stack_redis CONFIG SET maxmemory-policy noeviction
  stack_redis CONFIG SET appendonly yes
  stack_psql -c "UPDATE job SET phase = 'Succeeded', message = NULL WHERE number = 1"
}

@test "doctor: what would not be durable fails, and so does a schema of another version" {
  stack_psql -c 'ALTER SYSTEM SET fsync = off' -c 'SELECT pg_reload_conf()'
  eventually 10 eval '[[ $(finding postgres) == *failed* ]]'
  run -7 syncline doctor
  [[ $output == *"fsync is off"*"next: set fsync = on"* ]]
  stack_psql -c 'ALTER SYSTEM RESET fsync' -c 'SELECT pg_reload_conf()'
  eventually 10 eval '[[ $(finding postgres) != *failed* ]]'
  stack_psql -c "UPDATE schema_migration SET checksum = 'x' || checksum"
  run -7 syncline doctor
  [[ $output == *"failed   schema"*"next: syncline admin migrate"* ]]
  stack_psql -c "UPDATE schema_migration SET checksum = substr(checksum, 2)"
}

@test "doctor: services that are away are exit code 4, and everything else is looked at all the same" {
  url="host=$STACK/run user=syncline dbname=nothing"
  run -4 env SYNCLINE_DATABASE_URL="$url" SYNCLINE_REDIS_URL="unix://$STACK/run/redis.sock" "$SYNCLINE_BIN/syncline" doctor
  [[ $output == *"failed   postgres"*"check SYNCLINE_DATABASE_URL"* ]]
  [[ $output == *"ok       redis"* ]]
  run -4 env SYNCLINE_DATABASE_URL="host=$STACK/run user=syncline dbname=syncline" \
    SYNCLINE_REDIS_URL="unix://$STACK/run/no.sock" "$SYNCLINE_BIN/syncline" doctor
  [[ $output == *"failed   redis"*"jobs go on without it"* ]]
  [[ $output == *"ok       postgres"* ]]
  run -4 "$SYNCLINE_BIN/syncline" --state-dir "$BASE/none" doctor
  [[ $output == *"failed   stack"*"next: syncline up"* ]]
  run -2 syncline doctor again
}

@test "backup: one file that pg_restore takes, and no other file is touched" {
  # Goal: what is in the file is the truth. Method: restored into another database, compared row by row.
  syncline admin backup "$WORK/truth.dump"
  [ "$(ls "$WORK")" = "$(printf '%s\n' dst src truth.dump)" ]
  [ "$(stat -c %a "$WORK/truth.dump")" = 600 ]
  stack_psql -c 'CREATE DATABASE again'
  "$(dirname "$(readlink -f /usr/lib/postgresql/*/bin/pg_restore | tail -n 1)")/pg_restore" --no-owner \
    -h "$STACK/run" -U syncline -d again "$WORK/truth.dump"
  for table in job object synchronization asset schema_migration; do
    [ "$(stack_psql -c "SELECT * FROM $table ORDER BY 1, 2")" = \
      "$(STACK_DATABASE=again stack_psql -c "SELECT * FROM $table ORDER BY 1, 2")" ]
  done
  run -2 syncline admin backup "$WORK/truth.dump"
  [[ $output == *"exists already"* ]]
  run -7 syncline admin backup "$WORK/no/such/truth.dump"
  [[ $output == *"No such file"* ]]
  run -2 syncline admin backup
}

@test "backup: a database that cannot be reached leaves no file" {
  run -4 env SYNCLINE_DATABASE_URL="host=$STACK/run user=syncline dbname=nothing" "$SYNCLINE_BIN/syncline" \
    admin backup "$WORK/none.dump"
  [[ $output == *"Postgres:"*"next: syncline status"* ]]
  [ -z "$(find "$WORK" -maxdepth 1 -name 'none*')" ]
}

@test "rebuild-redis: the view is thrown away and written anew; keys of others stay" {
  job=$(syncline get jobs --all -o name | head -n 1)
  job=${job#job/}
  before=$(stack_redis --raw HGET "syncline:job:$job" moved)
  stack_redis SET other 1
  stack_redis HSET syncline:job:stale-1 phase Running
  run -0 syncline admin rebuild-redis
  [ "$(stack_redis --raw EXISTS syncline:job:stale-1)" = 0 ]
  [ "$(stack_redis --raw GET other)" = 1 ]
  [ "$(stack_redis --raw HGET "syncline:job:$job" moved)" = "$before" ]
  run -2 syncline admin rebuild-redis now
}

@test "gc: what was kept long enough goes at once, and nothing else" {
  stack_psql -c "INSERT INTO event (at, kind, message) SELECT now() - interval '31 days', 'old', '' FROM generate_series(1, 50)"
  kept=$(stack_psql -c "SELECT count(*) FROM event WHERE kind <> 'old'")
  run -0 syncline admin gc
  [ "$output" = "50 rows were deleted" ]
  [ "$(stack_psql -c 'SELECT count(*) FROM event')" = "$kept" ]
  run -0 syncline admin gc
  [ "$output" = "0 rows were deleted" ]
  run -2 syncline admin gc now
}

@test "gc: while somebody else is at it, it says so" {
  # Goal: exit code 5. Method: the lock of retention, held by a session of this test until it is told to end.
  coproc HOLD { stack_psql 2>&1; }
  echo "SELECT pg_advisory_lock(1398362188, -3);" >&"${HOLD[1]}"
  echo "SELECT 'held';" >&"${HOLD[1]}"
  until read -r line <&"${HOLD[0]}" && [ "$line" = held ]; do :; done
  run -5 syncline admin gc
  [[ $output == *"is at it"*"try again"* ]]
  echo '\q' >&"${HOLD[1]}"
}

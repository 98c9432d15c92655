#!/usr/bin/env bats
# Three in the morning: psql and redis-cli alone say what runs, how far it is, on which worker, and what was proven.

load ../harness/stack
load ../harness/jobs

setup() {
  stack_setup
  trees_in_memory
}
teardown() { stack_teardown; }

# redis_hash KEY FIELD
redis_hash() { stack_redis --raw HGET "$1" "$2"; }

is_number() { [[ $1 =~ ^[0-9]+$ ]]; }

# a_batch_runs JOB: Redis names a batch of it with its step and worker; BATCH and WORKER
a_batch_runs() {
  local member
  for member in $(stack_redis --raw ZRANGE syncline:leases 0 -1); do
    [[ $member == "$1":* ]] || continue
    BATCH=syncline:batch:$member
    WORKER=$(redis_hash "$BATCH" worker)
    [[ -n $WORKER && $(redis_hash "$BATCH" step) =~ ^(stage|prove|publish)$ ]] && return
  done
  return 1
}

@test "what is running, how far it is, and on which worker" {
  # Goal: during a job, without any program of ours, all this can be asked, and the answers move on.
  # Method: a job slowed down by its reads; psql on v_active and v_jobs, redis-cli on keys of the documentation.
  seed_use
  tree_make "$WORK/src" 1000
  mkdir "$WORK/dst"
  syncline up
  sync_define slow "fault:delay_ms=25;dir:$WORK/src" "$WORK/dst"
  job_start slow
  eventually 20 job_has slow "phase = 'Running'"
  # what: the same in both
  [ "$(stack_psql -c 'SELECT name, phase, planner FROM v_active')" = "slow-1|Running|planner-1" ]
  eventually 5 test "$(stack_redis --raw ZRANGE syncline:jobs:Running 0 -1)" = slow-1
  # how far: grows
  eventually 20 view_has slow moved 1
  first=$(redis_hash syncline:job:slow-1 moved)
  eventually 20 view_has slow moved $((first + 200))
  [ "$(redis_hash syncline:job:slow-1 phase)" = Running ]
  for field in scanned found bytes_moved rate eta epoch; do
    [[ $(redis_hash syncline:job:slow-1 "$field") =~ ^-?[0-9.]+$ ]]
  done
  # on which worker, until when, and who that is
  eventually 10 a_batch_runs slow-1
  is_number "$(redis_hash "$BATCH" items)"
  [ "$(stack_redis --raw SISMEMBER syncline:workers "$WORKER")" = 1 ] ||
    WORKER=$(stack_redis --raw SMEMBERS syncline:workers | grep "^$WORKER" | head -n 1)
  role=$(redis_hash "syncline:worker:$WORKER" role)
  [ "$(redis_hash "syncline:worker:$WORKER" pid)" = "$(stack_pid "$role-1")" ]
  deadline=$(stack_redis --raw ZSCORE syncline:leases "${BATCH#syncline:batch:}")
  [ -z "$deadline" ] || [ "${deadline%%.*}" -gt $(($(date +%s) * 1000 - 10000)) ]
  [ "$(stack_redis --raw XLEN syncline:events)" -ge 2 ]
  job_wait slow
  # and afterwards: both agree with what the command said
  [ "$(stack_psql -c 'SELECT count(*) FROM v_active')" = 0 ]
  for counter in scanned moved proven mismatched bytesMoved:bytes_moved bytesProven:bytes_proven; do
    said=$(jq ".counters.${counter%:*}" "$WORK/slow.json")
    [ "$(stack_psql -c "SELECT ${counter#*:} FROM v_jobs WHERE name = 'slow-1'")" = "$said" ]
    eventually 5 test "$(redis_hash syncline:job:slow-1 "${counter#*:}")" = "$said"
  done
  [ "$(redis_hash syncline:job:slow-1 phase)" = Succeeded ]
  [ "$(stack_redis --raw ZRANGE syncline:jobs:Succeeded 0 -1)" = slow-1 ]
  [ -z "$(stack_redis --raw ZRANGE syncline:leases 0 -1)" ]
}

@test "the checksum of a path, and when it was proven" {
  # Goal: for each file, the ledger holds the checksum of what is there, and a time within the job that put it.
  # Method: psql on v_objects; checksums by another program (xxh128sum) where there is one, and by `syncline hash`.
  seed_use
  tree_make "$WORK/src" 60
  printf '' >"$WORK/src/empty"
  mkdir "$WORK/dst"
  syncline up
  sync_define proof "$WORK/src" "$WORK/dst"
  job_run proof
  path=d0/e0/f0
  read -r hash checksum size job < <(stack_psql -F ' ' -c "SELECT hash, checksum, size, job FROM v_objects
    WHERE asset = 'proof-dst' AND path = '$path'")
  [ "$hash $job $size" = "xxh3-128 proof-1 $(stat -c %s "$WORK/dst/$path")" ]
  [ "$checksum  $WORK/dst/$path" = "$(syncline hash "$WORK/dst/$path")" ]
  if command -v xxh128sum >/dev/null; then
    [ "$checksum" = "$(xxh128sum <"$WORK/dst/$path" | cut -d' ' -f1)" ]
  fi
  # of nothing: the vector of the reference implementation
  [ "$(stack_psql -c "SELECT checksum FROM v_objects WHERE path = 'empty'")" = 99aa06d3014798d86001c324468d497f ]
  ledger_is_true proof "$WORK/dst"
  [ "$(stack_psql -c "SELECT count(*) FROM v_objects o JOIN v_jobs j ON j.name = o.job WHERE o.asset = 'proof-dst'
    AND NOT o.proven_at BETWEEN j.started_at AND j.finished_at")" = 0 ]
  # a newer version has a newer proof; what did not change keeps its own
  before=$(stack_psql -c "SELECT proven_at FROM v_objects WHERE path = 'empty'")
  echo newer >>"$WORK/src/$path"
  job_run proof
  [ "$(stack_psql -c "SELECT checksum || '  $WORK/dst/$path|' || job FROM v_objects WHERE path = '$path'")" = \
    "$(syncline hash "$WORK/dst/$path")|proof-2" ]
  [ "$(stack_psql -c "SELECT proven_at FROM v_objects WHERE path = 'empty'")" = "$before" ]
}

@test "who only looks may look and not write" {
  # Goal: the role for readers sees all views and changes nothing.
  # Method: SET ROLE syncline_ro; select from each view; an update is refused.
  syncline up
  for view in v_jobs v_active v_failures v_objects; do
    stack_psql -c "SET ROLE syncline_ro; SELECT count(*) FROM $view"
  done
  run stack_psql -c "SET ROLE syncline_ro; DELETE FROM object"
  [ "$status" -ne 0 ]
  [[ $output == *"permission denied"* ]]
}

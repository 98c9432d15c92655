#!/usr/bin/env bats
# Removal is the dangerous verb: off unless asked for, listed first, guarded, checked again; and changes of type.

load ../harness/stack
load ../harness/jobs
load ../harness/trees

setup() { stack_setup; }
teardown() { stack_teardown; }

# numbered DIRECTORY COUNT
numbered() {
  local i
  mkdir -p "$1"
  for ((i = 0; i < $2; i++)); do echo "$i" >"$1/f$i"; done
}

@test "what only the destination has is left alone, until asked for" {
  source=$WORK/src destination=$WORK/dst
  numbered "$source" 40
  syncline up
  sync_to 0 "$source" "$destination"
  mkdir -p "$destination/gone/deep/er" && echo x >"$destination/gone/deep/er/file" && ln -s / "$destination/gone/root"
  mkfifo "$destination/gone/fifo" && rm "$source/f7"
  sync_to 0 "$source" "$destination"
  counters extra=2 removed=0
  [ -e "$destination/gone/deep/er/file" ]
  sync_to 0 "$source" "$destination" --delete
  equal "$source" "$destination"
  counters removed=7 extra=0
  [ "$(syncline report "$(job_name)" --only=removed -o json | jq -r .path | LC_ALL=C sort | tr '\n' ' ')" = \
    "f7 gone gone/deep gone/deep/er gone/deep/er/file gone/fifo gone/root " ]
  # and the ledger forgets it
  [ "$(stack_psql -c "SELECT count(*) FROM v_objects WHERE path = 'f7'")" = 0 ]
  idle "$source" "$destination" --delete
  [ -d / ]
}

@test "the guard holds a job, says what it is about, and approve does exactly what was listed" {
  source=$WORK/src destination=$WORK/dst
  numbered "$source" 100
  syncline up
  sync_to 0 "$source" "$destination"
  rm "$source"/f[1-4]? && echo new >"$source/new"
  sync_to 8 "$source" "$destination" --delete --max-delete 10%
  job=$(job_name)
  jq -e '.phase == "Held" and .reason == "RemovalHeld"' "$WORK/json"
  jq -r .message "$WORK/json" | grep -q 40
  # the copies of a held job are done and durable; nothing is removed
  [ "$(cat "$destination/new")" = new ]
  [ "$(ls "$destination" | wc -l)" = 101 ]
  no_leftovers "$destination"
  [ "$(syncline report "$job" --only=removed -o json | wc -l)" = 40 ]
  # the state is in SQL and Redis too
  [ "$(stack_psql -c "SELECT phase FROM v_jobs WHERE name = '$job'")" = Held ]
  eventually 5 view_phase "$job" Held
  # one of those listed came back, one changed at the destination, and a new extra appeared: none of them goes
  echo back >"$source/f10" && echo changed >"$destination/f11" && echo extra >"$destination/extra"
  syncline approve "$job"
  syncline wait "$job" --json >"$WORK/json"
  jq -e '.phase == "Succeeded" and .counters.removed == 38' "$WORK/json"
  [ -e "$destination/f10" ] && [ -e "$destination/f11" ] && [ -e "$destination/extra" ]
  [ ! -e "$destination/f12" ]
  # and the next run brings the rest
  sync_to 0 "$source" "$destination" --delete --max-delete 10
  equal "$source" "$destination"
}

view_phase() { [[ $(stack_redis --raw HGET "syncline:job:$1" phase) == "$2" ]]; }

@test "a held job is superseded by the next, and cannot be approved then" {
  source=$WORK/src destination=$WORK/dst
  numbered "$source" 100
  syncline up
  sync_to 0 "$source" "$destination"
  rm "$source"/f[1-4]?
  sync_to 8 "$source" "$destination" --delete --max-delete 10
  first=$(job_name)
  sync_to 8 "$source" "$destination" --delete --max-delete 10
  second=$(job_name)
  run syncline approve "$first"
  [ "$status" -ne 0 ]
  [[ $output == *"$second"* ]]
  [ "$(ls "$destination" | wc -l)" = 100 ]
  syncline approve "$second"
  syncline wait "$second"
  equal "$source" "$destination"
  run syncline approve "$second"
  [ "$status" -ne 0 ]
}

@test "a held job is not superseded by who only looks, but by a repair" {
  # Goal: a look at a list does not take it away. Method: a dry run and a verify of a synchronization that is held,
  # then approve; the same with a repair, after which there is nothing to approve.
  source=$WORK/src destination=$WORK/dst
  numbered "$source" 100
  syncline up
  sync_to 0 "$source" "$destination"
  rm "$source"/f[1-4]?
  sync_to 8 "$source" "$destination" --delete --max-delete 10
  first=$(job_name) name=$(jq -r .synchronization "$WORK/json")
  sync_to 0 "$source" "$destination" --delete --max-delete 10 --dry-run
  syncline verify "$name"
  [ "$(stack_psql -c "SELECT count(*) FROM v_removals WHERE job = '$first' AND outcome = 'pending'")" = 40 ]
  syncline approve "$first"
  syncline wait "$first"
  equal "$source" "$destination"
  rm "$source"/f[5-8]?
  sync_to 8 "$source" "$destination" --delete --max-delete 10
  second=$(job_name)
  syncline verify "$name" --repair
  run syncline approve "$second"
  [ "$status" -ne 0 ]
  [[ $output == *"has taken the place of $second"* ]]
}

@test "limits: a number, a percentage, few never trip a percentage, an empty source always does" {
  source=$WORK/src destination=$WORK/dst
  numbered "$source" 30
  syncline up
  sync_to 0 "$source" "$destination"
  rm "$source"/f[1-9]
  sync_to 8 "$source" "$destination" --delete --max-delete 8
  sync_to 0 "$source" "$destination" --delete --max-delete 1%
  equal "$source" "$destination"
  rm "$source"/f*
  sync_to 8 "$source" "$destination" --delete --max-delete 100%
  [ "$(ls "$destination" | wc -l)" = 21 ]
  syncline approve "$(job_name)"
  syncline wait "$(job_name)"
  equal "$source" "$destination"
}

@test "a source directory that cannot be read protects its counterpart" {
  # Goal: nothing is removed because of a listing that failed.
  needs_root
  source=$WORK/src destination=$WORK/dst
  mkdir "$source" && numbered "$source/closed" 5 && numbered "$source/open" 5
  chmod 755 "$WORK" && mkdir "$WORK/home" "$BASE/home" "$destination" && chown -R nobody "$WORK/home" "$BASE/home" "$source" "$destination"
  as_user syncline --state-dir "$WORK/home/s" up
  as_user syncline --state-dir "$WORK/home/s" sync "$source" "$destination"
  chmod 000 "$source/closed" && rm "$source/open/f1"
  code=0
  as_user syncline --state-dir "$WORK/home/s" sync --delete --json "$source" "$destination" >"$WORK/json" || code=$?
  as_user syncline --state-dir "$WORK/home/s" down
  [ "$code" = 6 ]
  [ "$(ls "$destination/closed" | wc -l)" = 5 ]
  [ ! -e "$destination/open/f1" ]
  counters removed=1
}

@test "every type becomes every other" {
  # Goal: file, directory, symlink, FIFO change into each other; a full directory only with --delete.
  source=$WORK/src destination=$WORK/dst
  make_one() {
    case $2 in
      file) echo file >"$1" ;;
      directory) mkdir "$1" ;;
      full) mkdir -p "$1/sub/sub" && echo x >"$1/sub/sub/file" && ln -s . "$1/here" ;;
      symlink) ln -s somewhere "$1" ;;
      fifo) mkfifo "$1" ;;
    esac
  }
  mkdir "$source"
  kinds="file directory full symlink fifo"
  for from in $kinds; do for to in $kinds; do make_one "$source/$from to $to" "$from"; done; done
  syncline up
  sync_to 0 "$source" "$destination"
  for from in $kinds; do for to in $kinds; do
    rm -rf "${source:?}/$from to $to" && make_one "$source/$from to $to" "$to"
  done; done
  # without --delete only what would lose a tree is refused, by name
  sync_to 6 "$source" "$destination"
  counters failed=3
  syncline report "$(job_name)" --only=failed -o json | jq -e 'select(.error | test("Occupied") | not) | error' && false
  [ -e "$destination/full to file/sub/sub/file" ]
  sync_to 0 "$source" "$destination" --delete --max-delete 100%
  equal "$source" "$destination"
  idle "$source" "$destination" --delete
}

@test "a held job's changes of type wait with it" {
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source/tree" && numbered "$source/tree" 30 && echo x >"$source/other"
  syncline up
  sync_to 0 "$source" "$destination"
  rm -r "$source/tree" && echo now a file >"$source/tree"
  sync_to 8 "$source" "$destination" --delete --max-delete 10
  [ "$(ls "$destination/tree" | wc -l)" = 30 ]
  syncline approve "$(job_name)"
  syncline wait "$(job_name)"
  equal "$source" "$destination"
}

@test "another source under the same name is refused; approve accepts it" {
  # Goal: a directory that is not the one that earlier jobs read (not mounted, say) changes nothing.
  source=$WORK/src destination=$WORK/dst
  numbered "$source" 5 && mkdir "$destination"
  syncline up
  sync_define other "$source" "$destination"
  job_run other
  mv "$source" "$WORK/moved" && numbered "$source" 3
  code=0
  syncline run other --wait --json --progress=none >"$WORK/json" 2>"$WORK/err" || code=$?
  [ "$code" = 7 ]
  jq -e '.reason == "SourceChanged"' "$WORK/json"
  [ "$(find "$destination" -type f | wc -l)" = 5 ]
  touch -d '2001-01-01' "$source"/*
  syncline approve "$(job_name)"
  syncline wait "$(job_name)"
  [ "$(stat -c %Y "$destination/f0")" = "$(stat -c %Y "$source/f0")" ]
}

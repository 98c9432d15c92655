#!/usr/bin/env bats
# What takes part, what would be done, and equal-looking content that is not equal.

load ../harness/stack
load ../harness/jobs
load ../harness/trees

setup() { stack_setup; }
teardown() { stack_teardown; }

@test "filters: ordered, the first match wins, both ends, and filter test names the rule" {
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source"/{.cache/x,a/b/build,build,docs} "$destination"/{.cache/y,build}
  touch "$source"/{.cache/x/1,a/b/build/2,build/3,docs/x.tmp,docs/keep.tmp,docs/y.txt,a/build.txt}
  touch "$destination"/{.cache/y/mine,build/mine,docs.tmp} "$destination/extra"
  syncline up
  sync_to 0 "$source" "$destination" --include keep.tmp --exclude '*.tmp' --exclude '.cache/**' --exclude 'build/' --delete
  [ "$(cd "$destination" && find . -mindepth 1 | LC_ALL=C sort | tr '\n' ' ')" = \
    "./.cache ./.cache/y ./.cache/y/mine ./a ./a/b ./a/build.txt ./build ./build/mine ./docs ./docs.tmp ./docs/keep.tmp ./docs/y.txt " ]
  counters removed=1
  name=$(jq -r .synchronization "$WORK/json")
  run syncline filter test "$name" docs/x.tmp docs/keep.tmp .cache/x/1 a/b/build/2 a/build.txt
  [ "$status" = 0 ]
  [[ ${lines[0]} == *skip* && ${lines[0]} == *'- *.tmp'* ]]
  [[ ${lines[1]} == *take* && ${lines[1]} == *'+ keep.tmp'* ]]
  [[ ${lines[2]} == *skip* && ${lines[2]} == *'- .cache/**'* ]]
  [[ ${lines[3]} == *skip* && ${lines[3]} == *'- build/'* ]]
  [[ ${lines[4]} == *take* ]]
  idle "$source" "$destination" --include keep.tmp --exclude '*.tmp' --exclude '.cache/**' --exclude 'build/' --delete
}

@test "a filter that is none is refused with its place" {
  mkdir "$WORK/src" "$WORK/dst"
  run syncline sync "$WORK/src" "$WORK/dst" --exclude '[a'
  [ "$status" = 2 ]
  [[ $output == *'[a'* ]]
  [ -z "$(ls -A "$WORK/dst")" ]
}

@test "a dry run lists item by item and writes nothing, neither there nor as object rows" {
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source/d" "$destination/old" && echo one >"$source/one" && ln -s one "$source/link" && echo two >"$source/d/two"
  echo x >"$destination/old/file" && ln "$source/one" "$source/second"
  syncline up
  marks=$(tree_marks "$destination")
  syncline sync -n --delete "$source" "$destination" >"$WORK/plan" 2>"$WORK/err"
  [ "$(tree_marks "$destination")" = "$marks" ]
  [ "$(stack_psql -c "SELECT count(*) FROM v_objects")" = 0 ]
  # who only looked has brought nothing up to date
  syncline get syncs --all -o json | jq -e '.items[0].lastSuccess == null'
  for line in 'put .*d/two' 'directory .*d$' 'put .*link' 'remove .*old/file' 'remove .*old$'; do
    grep -qE "$line" "$WORK/plan" || { cat "$WORK/plan" "$WORK/err" >&2; return 1; }
  done
  [ "$(grep -cE '(put|link) .*(one|second)$' "$WORK/plan")" = 2 ]
  run syncline sync -n --exit-code "$source" "$destination"
  [ "$status" = 1 ]
  sync_to 0 "$source" "$destination" --delete --max-delete 100%
  equal "$source" "$destination"
  run syncline sync -n --exit-code --delete "$source" "$destination"
  [ "$status" = 0 ]
  # a dry run over a guard says so and holds nothing
  rm -r "$source"/*
  syncline sync -n --delete "$source" "$destination" >"$WORK/plan" 2>"$WORK/err"
  grep -q remove "$WORK/plan"
  [ -e "$destination/one" ]
}

@test "checksum mode finds a change that left size and time as they were" {
  source=$WORK/src destination=$WORK/dst
  mkdir "$source" && head -c 3000000 /dev/urandom >"$source/big" && echo abc >"$source/small" && echo same >"$source/same"
  syncline up
  sync_to 0 "$source" "$destination"
  for name in big small; do
    touch -r "$source/$name" "$WORK/time"
    printf X | dd of="$source/$name" bs=1 seek=2 conv=notrunc status=none
    touch -r "$WORK/time" "$source/$name"
  done
  sync_to 0 "$source" "$destination"
  counters found=0
  sync_to 0 "$source" "$destination" --checksum
  counters moved=2 unchanged=1
  equal "$source" "$destination"
  idle "$source" "$destination" --checksum
}

@test "verify reads the disk, tells rot from drift from missing and extra, and repairs" {
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source/d" && for i in 1 2 3 4 5 6; do head -c 20000 /dev/urandom >"$source/d/$i"; done
  ln -s d/1 "$source/link"
  syncline up
  sync_to 0 "$source" "$destination"
  name=$(jq -r .synchronization "$WORK/json")
  syncline verify "$name" --json >"$WORK/json"
  jq -e '.phase == "Succeeded" and .counters.proven == 7 and .counters.mismatched == 0' "$WORK/json"
  # rot: other bytes, the same size and time
  touch -r "$destination/d/1" "$WORK/time"
  printf X | dd of="$destination/d/1" bs=1 seek=10000 conv=notrunc status=none
  touch -r "$WORK/time" "$destination/d/1"
  echo drift >>"$destination/d/2"
  rm "$destination/d/3"
  echo extra >"$destination/d/extra"
  run syncline verify "$name"
  [ "$status" = 11 ]
  for word in rotten drifted missing extra; do [[ $output == *$word* ]]; done
  syncline verify "$name" --repair
  equal "$source" "$destination" --extra
  [ -e "$destination/d/extra" ]
  rm "$destination/d/extra"
  syncline verify "$name"
}

@test "verify tells a directory that is missing, and what has become a directory, or is none any more; and repairs" {
  # Goal: also what has no content is as it was left. Method: an empty directory removed, one with a file in it removed
  # whole, one replaced by a file, a file and a link replaced by directories; found, then healed.
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source"/{empty,full/below,replaced,untouched} "$destination/only here"
  for path in full/below/f replaced/f file; do echo "$path" >"$source/$path"; done
  ln -s file "$source/link"
  chmod 2711 "$source/empty" "$source/full"
  syncline up
  sync_to 0 "$source" "$destination"
  name=$(jq -r .synchronization "$WORK/json")
  syncline verify "$name"
  rmdir "$destination/empty"
  rm -r "$destination/full" "$destination/replaced" "$destination/file" "$destination/link"
  echo file >"$destination/replaced"
  mkdir "$destination/file" "$destination/link"
  code=0
  syncline verify "$name" >"$WORK/out" || code=$?
  [ "$code" = 11 ]
  [ "$(stack_psql -F ' ' -c "SELECT outcome, path FROM v_items WHERE job = (SELECT name FROM v_jobs ORDER BY id DESC LIMIT 1)
    ORDER BY path")" = "missing empty
drifted file
missing full
missing full/below
missing full/below/f
drifted link
drifted replaced
missing replaced/f" ]
  syncline verify "$name" --repair 2>"$WORK/err" || { cat "$WORK/err" >&2; return 1; }
  grep -q '8 repaired' "$WORK/err"
  equal "$source" "$destination" --extra
  [ -d "$destination/only here" ]
  syncline verify "$name"
  # what a job removes is missed no more
  rm -r "${source:?}/full" "$source/empty"
  sync_to 0 "$source" "$destination" --delete
  syncline verify "$name"
}

#!/usr/bin/env bats
# bats file_tags=slow
# Trees of extreme shape, with few descriptors.

load ../harness/stack
load ../harness/jobs
load ../harness/trees

setup() {
  stack_setup
  # memory is quicker than a disk, and does not wear it
  ROOM=$(mktemp -d /dev/shm/syncline-shapes.XXXXXX 2>/dev/null || mktemp -d)
}
teardown() {
  stack_teardown
  rm -rf --one-file-system "$ROOM"
}

@test "names of any bytes, of 255 bytes, and what looks like an option or a format" {
  source=$ROOM/src destination=$ROOM/dst
  mkdir "$source"
  tree_tool make 11 "$source" 1500
  (cd "$source" && touch -- '-rf' '--delete' '%n%s' '$(reboot)' $'new\nline' $'tab\there' $'esc\e[31m' ' ' "$(printf 'x%.0s' {1..255})" \
    $'\xff\xfe' 'a"b' "a'b" 'a\b' '*' '~')
  syncline up
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  idle "$source" "$destination"
  # in JSON a path is text, or base64 where it is none
  syncline report "$(syncline get jobs --all -o json | jq -r '[.items[].name] | sort | first')" -o json >"$WORK/report"
  [ "$(jq -r 'select(.path == "new\nline") | .path' "$WORK/report")" = $'new\nline' ]
  [ "$(jq -r 'select(.pathBase64) | .pathBase64' "$WORK/report" | grep -cx '//4=')" = 1 ]
}

@test "two thousand levels, paths far beyond PATH_MAX" {
  source=$ROOM/src destination=$ROOM/dst
  mkdir "$source"
  tree_tool deep "$source" 2000
  tree_tool make 3 "$source/other" 50
  syncline up
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  idle "$source" "$destination"
}

@test "what is deep is removed again, from its end" {
  source=$ROOM/src destination=$ROOM/dst
  mkdir "$source" "$destination"
  tree_tool deep "$destination" 300
  tree_tool make 3 "$source/other" 50
  syncline up
  sync_to 0 "$source" "$destination" --delete --max-delete 100%
  counters removed=301
  equal "$source" "$destination"
}

@test "two hundred thousand names in one directory; half of them go again" {
  source=$ROOM/src destination=$ROOM/dst
  tree_tool wide "$source" 200000
  syncline up --watchers 2
  sync_to 0 "$source" "$destination"
  counters moved=200000
  [ "$(find "$destination" -type f | wc -l)" = 200000 ]
  (cd "$source" && ls -U | awk '$1 % 2' | xargs rm)
  sync_to 0 "$source" "$destination" --delete --max-delete 60%
  counters removed=100000 unchanged=100000
  diff <(ls -U "$source" | sort) <(ls -U "$destination" | sort)
  no_leftovers "$destination"
}

@test "sixty-four descriptors are enough for every worker" {
  source=$ROOM/src destination=$ROOM/dst
  mkdir "$source"
  tree_tool make 5 "$source" 3000
  tree_tool deep "$source/deep" 200
  syncline up
  for name in watcher-1 mover-1 verifier-1; do
    prlimit --pid "$(stack_pid "$name")" --nofile=64:64
  done
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  tree_tool edit 6 "$source" 500
  sync_to 0 "$source" "$destination" --delete --max-delete 100%
  equal "$source" "$destination"
}

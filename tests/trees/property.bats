#!/usr/bin/env bats
# Random trees and random edits for a fixed time, synced and compared. PROPERTY_SECONDS and SEED may be given.

load ../harness/stack
load ../harness/jobs
load ../harness/trees

setup() {
  stack_setup
  ROOM=$(mktemp -d /dev/shm/syncline-property.XXXXXX 2>/dev/null || mktemp -d)
}
teardown() {
  stack_teardown
  rm -rf --one-file-system "$ROOM"
}

@test "random trees, random edits, equal each time" {
  seed_use
  local until=$((SECONDS + ${PROPERTY_SECONDS:-25})) round=0 seed=$SEED
  syncline up --movers 2 --watchers 2
  while ((SECONDS < until)); do
    rm -rf "$ROOM/src" "$ROOM/dst"
    mkdir "$ROOM/src"
    tree_tool make "$seed" "$ROOM/src" $((300 + RANDOM % 900))
    for _ in 1 2 3; do
      sync_to 0 "$ROOM/src" "$ROOM/dst" --delete --max-delete 100%
      adds_up "$WORK/json"
      equal "$ROOM/src" "$ROOM/dst" || { echo "seed $seed" >&2; return 1; }
      idle "$ROOM/src" "$ROOM/dst" --delete --max-delete 100%
      seed=$((seed + 1)) round=$((round + 1))
      tree_tool edit "$seed" "$ROOM/src" 150
      # somebody meddles with the destination, too
      tree_tool edit "$((seed + 100000))" "$ROOM/dst" 10
    done
    syncline get syncs --all -o json >/dev/null
  done
  echo "# $round rounds" >&3
  ((round > 0))
}

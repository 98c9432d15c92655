#!/usr/bin/env bats
# bats file_tags=slow
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

# rounds SECONDS COMMAND…: trees and edits, made and synced by that command (nothing, or as_user)
rounds() {
  local until=$((SECONDS + $1)) round=0 seed=$SEED code
  shift
  while ((SECONDS < until)); do
    rm -rf "$ROOM/src" "$ROOM/dst"
    "$@" mkdir "$ROOM/src"
    "$@" "$TOOL" make "$seed" "$ROOM/src" $((300 + RANDOM % 900))
    for _ in 1 2 3; do
      code=0
      "$@" syncline --state-dir "$STACK" sync --json --progress=none --delete --max-delete 100% \
        "$ROOM/src" "$ROOM/dst" >"$WORK/json" 2>"$WORK/err" || code=$?
      if ((code != 0)) || ! adds_up "$WORK/json" || ! equal "$ROOM/src" "$ROOM/dst" "${COMPARE[@]}"; then
        echo "seed $seed, exit code $code" >&2
        cat "$WORK/json" "$WORK/err" >&2
        "$@" syncline --state-dir "$STACK" report "$(job_name)" --only=failed >&2
        return 1
      fi
      "$@" syncline --state-dir "$STACK" sync --json --progress=none --delete --max-delete 100% \
        "$ROOM/src" "$ROOM/dst" >"$WORK/json" 2>"$WORK/err"
      counters found=0 removed=0 || { echo "seed $seed: not idle" >&2; return 1; }
      seed=$((seed + 1)) round=$((round + 1))
      "$@" "$TOOL" edit "$seed" "$ROOM/src" 150
      # an empty source would be held; a link of that name may lead anywhere
      [[ -L $ROOM/src/always ]] || "$@" touch "$ROOM/src/always"
      # somebody meddles with the destination, too
      "$@" "$TOOL" edit "$((seed + 100000))" "$ROOM/dst" 10
    done
  done
  echo "# $round rounds" >&3
  ((round > 0))
}

@test "random trees, random edits, equal each time" {
  seed_use
  TOOL=$TREE_TOOL COMPARE=()
  syncline up --movers 2 --watchers 2
  rounds "${PROPERTY_SECONDS:-20}"
}

@test "the same by an ordinary user" {
  needs_root
  seed_use
  TOOL=$BASE/bin/tree-tool COMPARE=(--no-owner)
  as_user true # makes its programs
  install -m 755 "$TREE_TOOL" "$TOOL"
  mkdir "$BASE/home" "$BASE/user" && chown nobody "$BASE/home" "$BASE/user" && chmod 777 "$ROOM"
  STACK=$BASE/user/s
  as_user syncline --state-dir "$STACK" up --movers 2
  rounds "${PROPERTY_SECONDS:-12}" as_user
}

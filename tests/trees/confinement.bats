#!/usr/bin/env bats
# Nothing outside of the roots is touched or read, whoever exchanges directories and symlinks meanwhile.

load ../harness/stack
load ../harness/jobs
load ../harness/trees

setup() {
  stack_setup
  ROOM=$(mktemp -d /dev/shm/syncline-outside.XXXXXX 2>/dev/null || mktemp -d)
  chmod 755 "$ROOM"
}
teardown() {
  stack_teardown
  rm -rf --one-file-system "$ROOM"
}

# attack BIN ROUNDS: jobs of every kind while directories of both ends are exchanged with symlinks to canaries
# that lie outside; says 0 if the canaries are as they were, and nothing of them was copied
attack() {
  local bin=$1 rounds=$2 source=$ROOM/src destination=$ROOM/dst i swappers=() before
  mkdir -p "$ROOM/canary/d" "$ROOM/secret/d" "$source" "$destination"
  for i in 1 2 3 4 5 6 7 8; do
    echo "canary $i" >"$ROOM/canary/d/$i" && echo "TOP SECRET $i" >"$ROOM/secret/d/$i"
  done
  mkfifo "$ROOM/canary/fifo"
  setfattr -n user.canary -v 1 "$ROOM/canary/d/1"
  chmod 751 "$ROOM/canary" "$ROOM/canary/d"
  before=$(tree_marks "$ROOM/canary"; getfattr -Rd --absolute-names "$ROOM/canary")
  mkdir -p "$source/swapped/d" "$destination/swapped/d"
  ln -s "$ROOM/secret" "$source/swap" && ln -s "$ROOM/canary" "$destination/swap"
  for i in 1 2 3; do # several, so that every operation meets it
    tree_tool swapper 3600 "$source/swapped" "$source/swap" >/dev/null &
    swappers+=($!)
    tree_tool swapper 3600 "$destination/swapped" "$destination/swap" >/dev/null &
    swappers+=($!)
  done
  STACK_STARTED+=("${swappers[@]}")
  for ((i = 0; i < rounds; i++)); do
    for place in "$source/swapped" "$source/swap"; do
      # what is written there goes into whatever is behind the name now; only real directories are changed
      [[ -L $place ]] || (cd -P "$place" 2>/dev/null && [[ $PWD == "$source"/* ]] &&
        tree_tool edit "$((i * 7 + RANDOM % 5))" . 12 >/dev/null 2>&1)
    done
    "$bin/syncline" --state-dir "$STACK" sync --progress=none --delete --max-delete 100% "$source" "$destination" \
      >"$WORK/out" 2>"$WORK/err" || (($? == 6)) || { cat "$WORK/err" >&2; kill "${swappers[@]}"; return 2; }
  done
  kill "${swappers[@]}"
  wait "${swappers[@]}" 2>/dev/null
  [[ $(tree_marks "$ROOM/canary"; getfattr -Rd --absolute-names "$ROOM/canary") == "$before" ]] ||
    { echo "something outside was touched" >&2; diff <(echo "$before") <(tree_marks "$ROOM/canary") >&2; return 1; }
  ! grep -rqs "TOP SECRET" "$destination" || { echo "something outside was read" >&2; return 1; }
}

@test "directories and symlinks exchanged under every operation" {
  syncline up --movers 2
  attack "$SYNCLINE_BIN" "${CONFINEMENT_ROUNDS:-25}"
}

@test "the attack finds a build whose walk follows links" {
  # Goal: the test above can fail. Method: the same with programs that open paths without RESOLVE_BENEATH.
  [[ -x $SYNCLINE_BIN/../weak/bin/syncline ]] || skip "not built: make weak"
  PATH="$SYNCLINE_BIN/../weak/bin:$PATH" SYNCLINE_BIN="$SYNCLINE_BIN/../weak/bin" syncline up --movers 2
  run attack "$SYNCLINE_BIN/../weak/bin" 60
  [ "$status" = 1 ]
}

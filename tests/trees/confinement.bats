#!/usr/bin/env bats
# Nothing outside of the roots is touched or read, whoever exchanges directories and symlinks meanwhile.

bats_require_minimum_version 1.5.0
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

# Where the names are exchanged: at the root, below it, and the very directory that holds the targets.
PLACES=(swapped deep/swapped parent)

# attack_prepare: OUTSIDE, with a file for each thing that a job could do to it; source and destination with the
# places, each beside a link (.swap, which the jobs leave out) that leads outside, to objects of the same names; and
# a descriptor of each real directory of the source, which is the same whatever its name is just now
attack_prepare() {
  local place target fd
  OUTSIDE=$ROOM/outside SOURCE=$ROOM/src DESTINATION=$ROOM/dst ASIDE=$ROOM/aside
  mkdir -p "$OUTSIDE/d/dir0" "$OUTSIDE/d/dir1" "$OUTSIDE/d/dir2" "$SOURCE/deep" "$DESTINATION/deep" "$ASIDE"
  for name in 1 2 3 4 5 6 7 8 link0 dir0/f dir1/f dir2/g; do echo "TOP SECRET $name" >"$OUTSIDE/d/$name"; done
  chmod 751 "$OUTSIDE" "$OUTSIDE/d"
  setfattr -n user.outside -v 1 "$OUTSIDE/d/5"
  BEFORE=$(tree_marks "$OUTSIDE")
  HELD=()
  for place in "${PLACES[@]}"; do
    target=$OUTSIDE
    [[ $place != parent ]] || target=$OUTSIDE/d
    mkdir -p "$SOURCE/$place" "$DESTINATION/$place"
    ln -s "$target" "$SOURCE/$place.swap" && ln -s "$target" "$DESTINATION/$place.swap"
    exec {fd}<"$SOURCE/$place"
    HELD+=("/proc/self/fd/$fd")
    [[ $place == parent ]] || { mkdir "${HELD[-1]}/d" && HELD[-1]+=/d; }
    for name in 1 2 3 4 5 6 8; do echo "source $name" >"${HELD[-1]}/$name"; done
  done
}

# attack_swap: exchanges them, again and again, until attack_rest
attack_swap() {
  local place target
  SWAPPERS=()
  for place in "${PLACES[@]}"; do
    target=$OUTSIDE
    [[ $place != parent ]] || target=$OUTSIDE/d
    # not by a function: it is this process that is stopped and ended
    "$TREE_TOOL" swapper 150 "$SOURCE/$place" "$SOURCE/$place.swap" >/dev/null 3>&- &
    SWAPPERS+=($!)
    "$TREE_TOOL" swapper 150 "$DESTINATION/$place" "$DESTINATION/$place.swap" "$target" "$ASIDE" >/dev/null 3>&- &
    SWAPPERS+=($!)
  done
  STACK_STARTED+=("${SWAPPERS[@]}")
}

attack_rest() {
  kill "${SWAPPERS[@]}" 2>/dev/null || true
  wait "${SWAPPERS[@]}" 2>/dev/null || true
}

# attack_trace: counts what the movers call, until attack_traced, which says so. False where nobody may look.
attack_trace() {
  local mover
  TRACERS=()
  command -v strace >/dev/null || return 1
  for mover in mover-1 mover-2; do
    strace -f -c -o "$WORK/$mover.calls" -p "$(stack_pid "$mover")" 2>"$WORK/$mover.strace" 3>&- &
    TRACERS+=($!)
    eventually 10 grep -q attached "$WORK/$mover.strace" || { kill -KILL "${TRACERS[@]}"; return 1; }
  done
  STACK_STARTED+=("${TRACERS[@]}")
}

attack_traced() {
  kill -INT "${TRACERS[@]}"
  wait "${TRACERS[@]}" || true
  awk 'NR > 2 && $NF != "total" { print $NF }' "$WORK"/mover-*.calls | sort -u
}

# attack_change ROUND: changes of every kind, in each place, to what has a namesake outside
attack_change() {
  local i=$1 at
  for at in "${HELD[@]}"; do
    echo "round $i" >"$at/1"
    chmod "6$((i % 2 * 4))0" "$at/2"
    ((EUID != 0)) || chown "$((i % 2))" "$at/3"
    touch -d "@$((1000000000 + i))" "$at/4"
    setfattr -n user.round -v "$i" "$at/5"
    rm -rf "$at/link$(((i + 1) % 3))" "$at/dir$(((i + 1) % 3))" "$at/7"
    ln -f "$at/6" "$at/link$((i % 3))"
    mkdir -p "$at/dir$((i % 3))" && echo "$i" >"$at/dir$((i % 3))/f"
    case $((i % 4)) in # another kind each time
      0) echo "$i" >"$at/7" ;;
      1) mkdir "$at/7" ;;
      2) ln -s "$i" "$at/7" ;;
      *) mkfifo "$at/7" ;;
    esac
    rm -f "$at/8"
    ((i % 2 == 0)) || echo "$i" >"$at/8"
    chmod "7$((i % 2 * 5))0" "$at"
  done
}

# attack_seen: something outside was touched, or was copied: a line in WORK/seen. Nothing is exchanged meanwhile: a
# look at a path would be led outside itself.
attack_seen() {
  local pid copied
  kill -STOP "${SWAPPERS[@]}"
  for pid in "${SWAPPERS[@]}"; do eventually 10 is_stopped "$pid"; done
  copied=$(find -P "$DESTINATION" "$ASIDE" -type f -exec grep -ls "TOP SECRET" {} +)
  kill -CONT "${SWAPPERS[@]}"
  [[ -z $copied ]] || echo "read in job $ROUNDS: $copied" >>"$WORK/seen"
  [[ $(tree_marks "$OUTSIDE") == "$BEFORE" ]] ||
    echo "touched in job $ROUNDS:" "$(diff <(echo "$BEFORE") <(tree_marks "$OUTSIDE"))" >>"$WORK/seen"
  [[ -s $WORK/seen ]]
}

# attack_sync BIN: one job, whose counters are added up in SUMS
attack_sync() {
  local code=0 field
  "$1/syncline" --state-dir "$STACK" sync --json --progress=none --delete --max-delete 100% --exclude '*.swap' \
    "$SOURCE" "$DESTINATION" >"$WORK/json" 2>"$WORK/err" || code=$?
  ((code == 0 || code == 6)) || { cat "$WORK/json" "$WORK/err" >&2; return 1; }
  for field in moved linked attributes removed failed vanished; do
    SUMS[$field]=$((${SUMS[$field]:-0} + $(jq ".counters.$field" "$WORK/json")))
  done
}

# attack_did_all: things of every kind were done while it lasted
attack_did_all() {
  ((SUMS[moved] > 20 && SUMS[linked] > 0 && SUMS[attributes] > 0 && SUMS[removed] > 0))
}

@test "directories and symlinks exchanged under every operation" {
  # Goal: whoever swaps at any system call, nothing outside is touched or read.
  # Method: jobs with changes of every kind while three places of each end are exchanged with links to a tree of
  # the same names, for a time and until all kinds were done; strace tells what the movers called meanwhile.
  local -A SUMS=()
  attack_prepare
  syncline up --movers 2
  traced=yes
  attack_trace || traced=no
  attack_swap
  began=$SECONDS ROUNDS=0
  until ((SECONDS - began >= ${CONFINEMENT_SECONDS:-20})) && attack_did_all; do
    ((SECONDS - began < 120)) || { echo "not everything was done in time: ${SUMS[*]@K}" >&2; false; }
    attack_change "$((++ROUNDS))"
    attack_sync "$SYNCLINE_BIN"
    attack_seen && { cat "$WORK/seen" >&2; false; }
  done
  attack_rest
  echo "# $ROUNDS jobs: ${SUMS[*]@K}" >&3
  if [ "$traced" = no ]; then
    echo "# nobody may trace here: what the movers called is not known" >&3
    return 0
  fi
  attack_traced >"$WORK/calls"
  expected="openat2 statx pread64 mkdirat renameat2 unlinkat linkat chmod utimensat setxattr"
  ((EUID != 0)) || expected+=" fchownat"
  for call in $expected; do
    grep -qx "$call" "$WORK/calls" || { echo "no mover called $call" >&2; cat "$WORK/calls" >&2; false; }
  done
}

@test "the attack finds a build whose walk follows links" {
  # Goal: the test above can fail. Method: the same with programs that open paths without RESOLVE_BENEATH, until
  # something outside was touched and something was read.
  local -A SUMS=()
  weak=$(realpath "$SYNCLINE_BIN/..")/weak/bin
  [[ -x $weak/syncline ]] || skip "not built: make weak"
  attack_prepare
  SYNCLINE_BIN=$weak syncline up --movers 2
  attack_swap
  began=$SECONDS ROUNDS=0
  until grep -qs ^touched "$WORK/seen" && grep -qs ^read "$WORK/seen"; do
    ((SECONDS - began < 60)) || { echo "not found in 60 s:" >&2; cat "$WORK/seen" >&2; false; }
    attack_change "$((++ROUNDS))"
    attack_sync "$weak" || true # whatever it says of what it did
    attack_seen || true
  done
  attack_rest
  echo "# $(grep -m 1 ^touched "$WORK/seen" | cut -d: -f1), $(grep -m 1 ^read "$WORK/seen" | cut -d: -f1)" >&3
}

@test "with roots, what lies outside is refused by name and not touched" {
  # Goal: SYNCLINE_ROOTS is a border for workers. Method: jobs within, out of, into and beside the roots.
  mkdir -p "$WORK/in/src/d" "$WORK/in/dst" "$WORK/out"
  echo data >"$WORK/in/src/d/f" && echo data >"$WORK/out/f"
  before=$(tree_marks "$WORK/out")
  syncline up --roots "$WORK/in:$ROOM"
  sync_to 0 "$WORK/in/src" "$WORK/in/dst"
  equal "$WORK/in/src" "$WORK/in/dst"
  sync_to 0 "$WORK/in/src" "$ROOM/new" # a place that the command makes
  equal "$WORK/in/src" "$ROOM/new"
  sync_to 7 "$WORK/in/src" "$WORK/out"
  [ "$(jq -r .reason "$WORK/json")" = DestinationUnwritable ]
  grep -q "outside of the roots.*SYNCLINE_ROOTS=$WORK/in" "$WORK/err"
  sync_to 7 "$WORK/out" "$WORK/in/dst"
  [ "$(jq -r .reason "$WORK/json")" = SourceUnreadable ]
  grep -q "outside of the roots.*SYNCLINE_ROOTS=$WORK/in" "$WORK/err"
  ln -s "$WORK/out" "$WORK/in/way-out" # the command follows it, as a person would
  sync_to 7 "$WORK/in/src" "$WORK/in/way-out"
  [ "$(tree_marks "$WORK/out")" = "$before" ]
}

@test "workers can gain nothing: no new privileges in any of their threads, also without roots" {
  # Goal: what no worker needs is given up before it does anything. Method: what the kernel says of each thread; that
  # the log tells. What the rules allow is tested in unit/svc_confine.c.
  syncline up
  for name in watcher-1 mover-1 verifier-1; do
    [ "$(cat /proc/"$(stack_pid "$name")"/task/*/status | grep NoNewPrivs | sort -u)" = $'NoNewPrivs:\t1' ]
    grep -q 'event=confined' "$STACK/log/$name.log"
  done
}

@test "roots that are not there, or not absolute, are refused before anything starts" {
  run -2 syncline up --roots "$WORK/nothing"
  [[ $output == *"the root $WORK/nothing (SYNCLINE_ROOTS, --roots): No such file"* ]] || { echo "$output" >&2; false; }
  run -2 syncline up --roots relative
  [[ $output == *"must be absolute paths"* ]]
  SYNCLINE_ROOTS=relative run -2 syncline up
  [ ! -e "$STACK/stack.json" ]
}

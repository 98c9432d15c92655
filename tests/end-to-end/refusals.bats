#!/usr/bin/env bats
# bats file_tags=slow
# What cannot be is refused: exit code of the table, what and why on stderr, the next command, and nothing touched.

load ../harness/stack
load ../harness/jobs

setup() { stack_setup; }
teardown() { stack_teardown; }

# refused CODE REASON SRC DST: sync ends with CODE; a job that was refused has that REASON, without a job stderr says it;
# SRC, DST and all beside them in WORK are what they were
refused() {
  local before after code=0
  before=$(tree_marks "$WORK")
  syncline sync --json --progress=none "$3" "$4" >"$BASE/out" 2>"$BASE/err" || code=$?
  after=$(tree_marks "$WORK")
  [[ $code == "$1" ]] || { echo "exit code $code, not $1, for $2" >&2; cat "$BASE/err" >&2; return 1; }
  [[ -s $BASE/err ]] || { echo "nothing is said" >&2; return 1; }
  if [[ -s $BASE/out ]]; then
    [[ $(jq -r '.phase + " " + .reason' "$BASE/out") == "Failed $2" ]] || { cat "$BASE/out" >&2; return 1; }
  else
    grep -q "$2" "$BASE/err" || { echo "stderr does not say $2:" >&2; cat "$BASE/err" >&2; return 1; }
  fi
  # where a destination was made and removed again, its parent has another time, and only that
  [[ $(grep -v "^$WORK " <<<"$after") == "$(grep -v "^$WORK " <<<"$before")" ]] ||
    { echo "something was touched:" >&2; diff <(echo "$before") <(echo "$after") >&2; return 1; }
}

# has_next: stderr says what to do: on a line of its own, or at the end of the message
steps='choose another|choose directories|create the directory|name a directory|give the user|run this when'
steps+='|with --state-dir|choose a shorter'
has_next() {
  grep -qE "^  next: |($steps)" "$BASE/err" || { echo "no next step:" >&2; cat "$BASE/err" >&2; return 1; }
}

small_tree() {
  mkdir -p "$WORK/src/in/deep" "$WORK/dst"
  echo one >"$WORK/src/file"
  echo two >"$WORK/src/in/file"
  ln -s file "$WORK/src/link"
  echo mine >"$WORK/dst/other"
}

@test "sources and destinations that cannot be" {
  # Goal: each is Failed, exit code 7, with its reason and a next command.
  # Method: missing, not directories, nested both ways, the same, the same by a symbolic link.
  small_tree
  syncline up
  while read -r reason from to; do
    refused 7 "$reason" "$WORK/$from" "$WORK/$to"
    has_next
  done <<'LIST'
SourceMissing none dst
SourceMissing none new
SourceNotADirectory src/file dst
SourceNotADirectory src/file new
DestinationMissing src none/new
DestinationNotADirectory src dst/other
DestinationNotADirectory src src/file
Nested src src/in
Nested src src/in/deep
Nested src/in src
SameDirectory src src
LIST
  # one that would have to be made
  refused 7 'is inside the source' "$WORK/src" "$WORK/src/in/new"
  has_next
  ln -s src "$WORK/alias"
  refused 7 SameDirectory "$WORK/src" "$WORK/alias"
  refused 7 Nested "$WORK/alias" "$WORK/src/in"
  # the reason stands in the ledger, too, and the pair is not busy
  refused 7 SourceMissing "$WORK/none" "$WORK/dst"
  [ "$(stack_psql -c "SELECT count(*) FROM v_jobs WHERE reason IS NULL")" = 0 ]
  [ "$(stack_psql -c "SELECT count(*) FROM claim")" = 0 ]
}

@test "the same directory by a bind mount" {
  # Goal: what `..` does not show is still seen.
  # Method: in a mount namespace of its own, stack included: a bind mount of the source, of a part of it, and of its
  # parent as destination, and the reverse.
  unshare -m true 2>/dev/null || skip "needs mount namespaces"
  small_tree
  mkdir "$WORK/at"{1..6}
  declare -f syncline refused tree_marks has_next >"$BASE/functions"
  cat >"$BASE/script" <<'SCRIPT'
set -eu
. "$BASE/functions"
syncline up -q
trap 'syncline down -q' EXIT
try() { # REASON BOUND AT SRC DST
  mount --bind "$WORK/$2" "$WORK/$3"
  refused 7 "$1" "$WORK/$4" "$WORK/$5"
  has_next
}
try SameDirectory src at1 src at1
try SameDirectory src at2 at2 src
try Nested src/in at3 src at3
try Nested src/in at4 at4 src
try Nested src at5 at5 src/in/deep
try Nested src at6 src/in at6
SCRIPT
  BASE=$BASE SYNCLINE_BIN=$SYNCLINE_BIN steps=$steps unshare -m --propagation private bash "$BASE/script"
}

@test "a source that cannot be read, a destination that cannot be written" {
  # Goal: an ordinary user gets a reason, not half a copy.
  # Method: as nobody: directories without permissions at either end.
  [ "$EUID" -eq 0 ] || skip "needs root to become another user"
  small_tree
  install -d -o nobody -g nogroup "$BASE/u" "$BASE/home"
  syncline() { as_user syncline --state-dir "$BASE/u/s" "$@"; }
  STACK=$BASE/u/s
  syncline up
  chmod 700 "$WORK/src"
  chmod 777 "$WORK/dst"
  refused 7 SourceUnreadable "$WORK/src" "$WORK/dst"
  has_next
  chmod 755 "$WORK/src" "$WORK/dst"
  refused 7 DestinationUnwritable "$WORK/src" "$WORK/dst"
  has_next
  # one that would have to be made
  refused 7 'cannot be made' "$WORK/src" "$WORK/new"
  has_next
}

@test "a destination into which another active job writes" {
  # Goal: two jobs never write into the same place; the second one is refused, the first one goes on.
  # Method: a slow job; others to the same destination, above it, below it, and the opposite way; the same pair again.
  small_tree
  tree_make "$WORK/slow" 300
  mkdir -p "$WORK/up/dst/below" "$WORK/other"
  syncline up
  sync_define slow "fault:delay_ms=60;dir:$WORK/slow" "$WORK/up/dst"
  job_start slow
  eventually 10 job_has slow "phase = 'Running'"
  overlap() { # REASON SRC DST
    code=0
    syncline sync --json --progress=none "$2" "$3" >"$BASE/out" 2>"$BASE/err" || code=$?
    [ "$code" = 7 ] && [ "$(jq -r .reason "$BASE/out")" = "$1" ] || { echo "$code" >&2; cat "$BASE/err" >&2; return 1; }
    has_next
  }
  overlap Overlap "$WORK/src" "$WORK/up/dst"
  overlap Overlap "$WORK/src" "$WORK/up"
  overlap Overlap "$WORK/src" "$WORK/up/dst/below"
  overlap Cycle "$WORK/up/dst" "$WORK/slow"
  # the same one again is busy, and named
  run syncline run slow --wait
  [ "$status" -eq 5 ]
  [[ $output == *slow-1*next:* ]]
  # another destination is free
  syncline sync -q "$WORK/src" "$WORK/other"
  is_running "$JOB_WAITER"
  job_wait slow
  [ ! -e "$WORK/up/dst/file" ]
  [ -z "$(rsync -naic "$WORK/slow/" "$WORK/up/dst/")" ]
  no_leftovers "$WORK"
  syncline sync -q "$WORK/src" "$WORK/up/dst"
}

@test "Postgres, Redis or the planner not there" {
  # Goal: an outage is exit code 4 with what to do; without Redis only what is asked of Redis fails.
  # Method: addresses where nothing answers; a database without planner.
  small_tree
  SYNCLINE_DATABASE_URL="host=$BASE/nowhere" refused 4 'Postgres' "$WORK/src" "$WORK/dst"
  has_next
  [ ! -e "$STACK" ]
  syncline up
  url=$(jq -r .databaseUrl "$STACK/stack.json")
  export SYNCLINE_DATABASE_URL=$url SYNCLINE_REDIS_URL=unix://$BASE/nowhere.sock
  run syncline get workers
  [ "$status" -eq 4 ]
  [[ $output == *Redis*next:* ]]
  syncline sync -q "$WORK/src" "$WORK/dst"
  [ "$(cat "$WORK/dst/in/file")" = two ]
  stack_psql -c 'CREATE DATABASE idle'
  export SYNCLINE_DATABASE_URL="host=$STACK/run dbname=idle user=syncline"
  syncline admin migrate
  refused 4 'no planner is running' "$WORK/src" "$WORK/dst"
  has_next
  unset SYNCLINE_DATABASE_URL SYNCLINE_REDIS_URL
}

@test "a stack that cannot be, or is there already" {
  # Goal: exit codes 2 and 5, a next command, and no trace.
  # Method: a state directory of which the socket paths are too long, one that is not writable, one that is up.
  small_tree
  long=$BASE/$(printf 'x%.0s' {1..90})
  for state in "$long" /proc/syncline; do
    code=0
    syncline --state-dir "$state" up >"$BASE/out" 2>"$BASE/err" || code=$?
    [ "$code" = 2 ]
    has_next
    [ ! -e "$state" ]
    # the same from sync, which would start one
    STACK=$state refused 2 . "$WORK/src" "$WORK/new"
    has_next
    [ ! -e "$WORK/new" ]
  done
  if [ "$EUID" -eq 0 ]; then
    code=0
    as_user syncline --state-dir "$BASE/nobody" up >"$BASE/out" 2>"$BASE/err" || code=$?
    [ "$code" = 2 ]
    has_next
    [ ! -e "$BASE/nobody" ]
  fi
  syncline up
  code=0
  syncline up >"$BASE/out" 2>"$BASE/err" || code=$?
  [ "$code" = 5 ]
  has_next
}

@test "a full disk" {
  # Goal: the job fails with NoSpace, what was there stays whole, no staging area is left; with room it succeeds.
  # Method: a small tmpfs as destination in a mount namespace of its own; old content there; then a larger one.
  unshare -m true 2>/dev/null || skip "needs mount namespaces"
  mkdir -p "$WORK/src" "$WORK/dst"
  for i in {1..40}; do head -c 60000 /dev/urandom >"$WORK/src/f$i"; done
  declare -f syncline no_leftovers same_tree tree_list has_next >"$BASE/functions"
  cat >"$BASE/script" <<'SCRIPT'
set -eu
. "$BASE/functions"
mount -t tmpfs -o size=1m,mode=755 none "$WORK/dst"
for i in 1 2 3; do echo "old $i" >"$WORK/dst/f$i"; done
syncline up -q
trap 'syncline down -q' EXIT
code=0
syncline sync --json --progress=none "$WORK/src" "$WORK/dst" >"$BASE/out" 2>"$BASE/err" || code=$?
cat "$BASE/err" >&2
[[ $code == 7 ]]
[[ $(jq -r .reason "$BASE/out") == NoSpace ]]
has_next
no_leftovers "$WORK/dst"
# each file is the old one or the new one, whole
for file in "$WORK"/dst/f*; do
  name=${file##*/}
  grep -qax "old ${name#f}" "$file" || cmp "$file" "$WORK/src/$name"
done
mount -o remount,size=16m "$WORK/dst"
syncline sync -q "$WORK/src" "$WORK/dst"
same_tree "$WORK/src" "$WORK/dst"
SCRIPT
  BASE=$BASE SYNCLINE_BIN=$SYNCLINE_BIN steps=$steps unshare -m --propagation private bash "$BASE/script"
}

@test "a filesystem without inodes left" {
  # Goal: room without inodes is no room: the same end as on a full disk, and with more of them it succeeds.
  # Method: a tmpfs with fewer inodes than the source has files; old content there; then one with more.
  unshare -m true 2>/dev/null || skip "needs mount namespaces"
  mkdir -p "$WORK/src/in" "$WORK/dst"
  for i in {1..40}; do echo "new $i" | tee "$WORK/src/f$i" >"$WORK/src/in/f$i"; done
  declare -f syncline no_leftovers same_tree tree_list has_next >"$BASE/functions"
  cat >"$BASE/script" <<'SCRIPT'
set -eu
. "$BASE/functions"
mount -t tmpfs -o size=16m,nr_inodes=30,mode=755 none "$WORK/dst"
for i in 1 2 3; do echo "old $i" >"$WORK/dst/f$i"; done
syncline up -q
trap 'syncline down -q' EXIT
code=0
syncline sync --json --progress=none "$WORK/src" "$WORK/dst" >"$BASE/out" 2>"$BASE/err" || code=$?
cat "$BASE/err" >&2
[[ $code == 7 ]]
[[ $(jq -r '.phase + " " + .reason' "$BASE/out") == "Failed NoSpace" ]]
grep -qi 'no space left' "$BASE/err"
has_next
no_leftovers "$WORK/dst"
# each file is the old one or the new one, whole
while read -r file; do
  name=${file##*/}
  grep -qx "old ${name#f}" "$file" || cmp "$file" "$WORK/src${file#"$WORK/dst"}"
done < <(find "$WORK/dst" -type f)
mount -o remount,nr_inodes=1000 "$WORK/dst"
syncline sync -q "$WORK/src" "$WORK/dst"
same_tree "$WORK/src" "$WORK/dst"
SCRIPT
  BASE=$BASE SYNCLINE_BIN=$SYNCLINE_BIN steps=$steps unshare -m --propagation private bash "$BASE/script"
}

# published COUNT: so many files are at the destination
published() { (($(find "$WORK/dst" -path "$WORK/dst/.syncline" -prune -o -type f -printf x 2>/dev/null | wc -c) >= $1)); }

@test "another directory in the place of a source, or of a destination, in the middle of a job" {
  # Goal: what an unmounted source does not have is not absent, and nothing goes into what shows in the place of a
  # destination: the job fails and says so. Method: a job that reads slowly, so that most of it is to be done when the
  # first files are there and the directory is exchanged.
  local end n base=$WORK
  syncline up
  for end in src dst; do
    WORK=$base/$end
    mkdir -p "$WORK"/{src,dst,other}
    for n in {1..24}; do
      mkdir "$WORK/src/$n"
      (cd "$WORK/src/$n" && awk -v n="$n" 'BEGIN { for (i = 1; i <= 200; i++) { print n, i >i; close(i) } }')
    done
    echo else >"$WORK/other/1"
    sync_define "$end" "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
    stack_psql -c "UPDATE synchronization SET spec = '{\"delete\": {\"enabled\": true}}' WHERE name = '$end'"
    job_start "$end"
    eventually 30 published 100
    mv "$WORK/$end" "$WORK/away"
    mv "$WORK/other" "$WORK/$end"
    job_wait "$end" 2>/dev/null || true
    jq -r '.phase + " " + .reason' "$WORK/$end.json" >"$BASE/ended"
    case $end in
      # between the two moves there is none
      src) grep -qxE 'Failed (SourceChanged|SourceUnreachable)' "$BASE/ended" ;;
      # its tokens are gone, and it may not open what is not the one it knows
      dst) grep -qx 'Failed AssetUnreachable' "$BASE/ended" && [[ $(ls -A "$WORK/dst") == 1 ]] ;;
    esac || { cat "$BASE/ended" "$WORK/$end.err" >&2; ls -A "$WORK/dst" >&2; return 1; }
  done
}

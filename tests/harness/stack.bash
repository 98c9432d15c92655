# stack.bash: embedded stacks for bats suites, each under a temporary directory of its own.
#
#   load ../harness/stack
#   setup()    { stack_setup; }      # STACK, a state directory; WORK, room for trees
#   teardown() { stack_teardown; }   # ends what was started, by its number, and removes both
#
# Nothing here ends a process that a test of this file did not start. Of a test that failed, the logs are kept below
# STACK_KEEP if that is set.
#
# A stack's state is in memory where there is room: no test here is about a machine that loses power, and a stack that
# waits for a disk onto which another suite writes gigabytes is only slow. Trees (WORK) are on a disk but for suites that
# say trees_in_memory. STACK_TEMPLATE, which tools/run-tests sets, is a stack that was up once and is down: a copy of it
# saves an initdb for each test. A suite that is about stacks says STACK_FRESH=1 after loading this, and has neither.

: "${SYNCLINE_BIN:=$BATS_TEST_DIRNAME/../../build/bin}"

stack_setup() {
  local name
  for name in $(compgen -e SYNCLINE_); do
    [[ $name == SYNCLINE_BIN ]] || unset "$name"
  done
  export SYNCLINE_CONFIG=off # nothing of the files of this machine
  unset "${!PG@}"
  BASE=$(mktemp -d "${TMPDIR:-/tmp}/syncline-e2e.XXXXXX")
  chmod 755 "$BASE" # user postgres has to pass
  STACK_ROOM=$(stack_room)
  STACK=$STACK_ROOM/s
  WORK=$BASE/w
  mkdir "$WORK"
  export STACK WORK
}

# stack_setup_file: for setup_file: one stack, which is up, for all tests of a file
stack_setup_file() {
  stack_setup
  export BASE
  syncline up
}

# stack_room: a new directory for the state: in memory if there are 4 GiB, else BASE
stack_room() {
  local room
  if [[ -z ${STACK_FRESH:-} ]] && (($(stat -f -c "%a * %S" /dev/shm 2>/dev/null || echo 0) >= 4 << 30)) &&
    room=$(mktemp -d /dev/shm/syncline-e2e.XXXXXX 2>/dev/null); then
    chmod 755 "$room"
    echo "$room"
  else
    echo "$BASE"
  fi
}

# trees_in_memory: after stack_setup: WORK is in memory where the stack is. For suites that kill and wait, and ask nothing
# of a disk: what it does with holes and attributes, what is flushed when
trees_in_memory() {
  [[ $STACK_ROOM != "$BASE" ]] || return 0
  rmdir "$WORK"
  WORK=$STACK_ROOM/w
  mkdir "$WORK"
}

# stack_keep: what a test that failed leaves for whoever looks for the reason
stack_keep() {
  local kept
  [[ -n ${STACK_KEEP:-} ]] || return 0
  kept=$STACK_KEEP/$BATS_TEST_NUMBER
  mkdir -p "$kept"
  find "$STACK/log" "$WORK" -maxdepth 1 -type f -size -32M -exec cp -t "$kept" {} + 2>/dev/null
  echo "# logs are in $kept" >&2
}

stack_teardown() {
  local status=0 pid
  # what failed is told with the logs that explain it
  if [[ -z ${BATS_TEST_COMPLETED:-} && -z ${BATS_TEST_SKIPPED:-} && -d $STACK/log ]]; then
    tail -n 5 "$STACK"/log/*.log 2>/dev/null | sed 's/^/# /' >&2
    stack_keep
  fi
  stack_stop "$STACK" || status=1
  for pid in "${STACK_STARTED[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  STACK_STARTED=()
  rm -rf --one-file-system "$BASE" "$STACK_ROOM"
  return "$status"
}

# stack_stop DIR: `down`, and if that fails everything that its stack.json names
stack_stop() {
  local dir=$1 pids
  [[ -e $dir/lock ]] || return 0
  pids=$(jq -r '.supervisor.pid, .processes[].pid | select(. > 1)' "$dir/stack.json" 2>/dev/null)
  "$SYNCLINE_BIN/syncline" --state-dir "$dir" -q down && return 0
  local pid
  for pid in $pids; do
    kill -KILL "$pid" 2>/dev/null || true
  done
  return 1
}

# syncline ARGS...: the command, on this test's stack; the first `up` finds a copy of the template
syncline() {
  [[ ${1:-} != up || -n ${STACK_FRESH:-} || -z ${STACK_TEMPLATE:-} || -e $STACK ]] ||
    cp -a "$STACK_TEMPLATE" "$STACK"
  "$SYNCLINE_BIN/syncline" --state-dir "$STACK" "$@"
}

# stack_pid NAME: the number of a process (mover-1, postgres-1 …) or of `supervisor`; nothing while it is
# not running (its number is 0 then, and kill 0 would end the suite itself)
stack_pid() {
  if [[ $1 == supervisor ]]; then
    jq -r .supervisor.pid "$STACK/stack.json"
  else
    jq -r --arg name "$1" '.processes[] | select(.name == $name) | .pid | select(. > 1)' "$STACK/stack.json"
  fi
}

# stack_pids: the supervisor and all its processes
stack_pids() {
  jq -r '.supervisor.pid, .processes[].pid | select(. > 1)' "$STACK/stack.json"
}

stack_state_of() {
  jq -r --arg name "$1" '.processes[] | select(.name == $name) | .state' "$STACK/stack.json"
}

stack_psql() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$STACK/run" -U syncline -d "${STACK_DATABASE:-syncline}" "$@"
}

stack_redis() {
  redis-cli -s "$STACK/run/redis.sock" "$@"
}

# is_gone PID…: none of them runs (one that nobody has waited for yet does not run)
is_gone() {
  local pid state
  for pid in "$@"; do
    state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null) || true
    [[ -z $state || $state == Z || $state == X ]] || return 1
  done
}

# eventually SECONDS COMMAND…: the command succeeds within that time
eventually() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < until)) || { echo "not within its time: $*" >&2; return 1; }
    sleep 0.05
  done
}

# is_another NAME PID: the process is ready and has another number
is_another() {
  [[ $(stack_pid "$1") != "$2" && $(stack_state_of "$1") == ready ]]
}

# stack_kill_one NAME: ends the process at once if it is ready; fails if there was nothing to end
stack_kill_one() {
  local pid
  pid=$(stack_pid "$1")
  [[ -n $pid && $(stack_state_of "$1") == ready ]] && kill -KILL "$pid" 2>/dev/null
}

# trees_equal SRC DST: contents, modes, owners and times, by a program that is not ours
trees_equal() {
  local differences
  differences=$(rsync -naic --delete "$1/" "$2/") || return 1
  [[ -z $differences ]] || { printf 'trees differ:\n%s\n' "$differences" | head -n 40 >&2; return 1; }
}

# no_leftovers DIR…: nothing of ours is in these trees
no_leftovers() {
  local found
  found=$(find "$@" -name .syncline 2>/dev/null)
  [[ -z $found ]] || { printf 'left behind:\n%s\n' "$found" >&2; return 1; }
}

# as_user COMMAND…: as an ordinary user (nobody), in an environment that is not ours. Programs are copied to
# where that user gets at them.
as_user() {
  if [[ ! -d $BASE/bin ]]; then
    mkdir "$BASE/bin"
    cp "$SYNCLINE_BIN"/syncline* "$BASE/bin/"
    chmod -R a+rX "$BASE/bin"
  fi
  setpriv --reuid nobody --regid nogroup --clear-groups \
    env -i PATH="$BASE/bin:$PATH" HOME="$BASE/home" TZ=America/New_York LC_ALL=tr_TR.UTF-8 \
    SYNCLINE_CONFIG=off "$@"
}
STACK_STARTED=()

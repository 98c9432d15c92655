#!/usr/bin/env bats
# Configuration files: each level wins over the next, what is wrong is said with its place, and an embedded stack is
# what the one who started it has set.

bats_require_minimum_version 1.5.0

load ../harness/stack

setup() {
  stack_setup
  unset SYNCLINE_CONFIG
  export XDG_CONFIG_HOME=$WORK/xdg
  USER_FILE=$XDG_CONFIG_HOME/syncline/config.yaml
  mkdir -p "${USER_FILE%/*}"
  [[ ! -e /etc/syncline/syncline.yaml ]] || skip "this machine has /etc/syncline/syncline.yaml"
}
teardown() { SYNCLINE_CONFIG=off stack_teardown; }

# settings MODE <<FILE: the user's file
settings() {
  rm -f "$USER_FILE"
  cat >"$USER_FILE"
  chmod "$1" "$USER_FILE"
}

has_mover() { [[ $(syncline worker list) == *mover-1* ]]; }

# looks_in COMMAND…: it finds no stack, and says that it looked in WANTED
looks_in() {
  run -4 "$@"
  [[ $output == *"$WANTED"* ]] || { echo "not $WANTED: $output" >&2; return 1; }
}

@test "flag, variable, file: each wins over the next" {
  # Goal: the order of levels, seen from outside.
  # Method: the directory in which no stack is up, named by one level after the other.
  settings 600 <<<"stateDir: $WORK/file"
  WANTED=$WORK/file looks_in "$SYNCLINE_BIN/syncline" status
  WANTED=$WORK/variable looks_in env SYNCLINE_STATE_DIR="$WORK/variable" "$SYNCLINE_BIN/syncline" status
  WANTED=$WORK/file looks_in env SYNCLINE_STATE_DIR= "$SYNCLINE_BIN/syncline" status
  WANTED=$WORK/flag looks_in env SYNCLINE_STATE_DIR="$WORK/variable" "$SYNCLINE_BIN/syncline" status --state-dir "$WORK/flag"
  echo "stateDir: $WORK/named" >"$WORK/named.yaml"
  WANTED=$WORK/named looks_in env SYNCLINE_CONFIG="$WORK/named.yaml" "$SYNCLINE_BIN/syncline" status
  run -4 env SYNCLINE_CONFIG=off HOME="$WORK" "$SYNCLINE_BIN/syncline" status
  [[ $output != *"$WORK/file"* ]]
}

@test "the file of the system is below all, and what is wrong in it is said" {
  # Goal: /etc/syncline/syncline.yaml itself is read, by the command and by a program. Method: another /etc, in a mount
  # namespace of its own.
  local name
  unshare -m true 2>/dev/null || skip "needs mount namespaces"
  mkdir -p "$WORK/etc/syncline"
  for name in passwd group nsswitch.conf ld.so.cache; do
    [[ ! -e /etc/$name ]] || cp -L "/etc/$name" "$WORK/etc/"
  done
  WORK=$WORK USER_FILE=$USER_FILE SYNCLINE_BIN=$SYNCLINE_BIN unshare -m --propagation private bash -eu <<'SCRIPT'
mount --bind "$WORK/etc" /etc
answers() { # CODE TEXT COMMAND...
  local code=0 output
  output=$("${@:3}" 2>&1) || code=$?
  [[ $code == "$1" && $output == *"$2"* ]] || { echo "$code, not $1 $2: $output" >&2; exit 1; }
}
echo "stateDir: $WORK/system" >/etc/syncline/syncline.yaml
answers 4 "$WORK/system" "$SYNCLINE_BIN/syncline" status
answers 4 "$WORK/variable" env SYNCLINE_STATE_DIR="$WORK/variable" "$SYNCLINE_BIN/syncline" status
echo "lanes: 3" >"$USER_FILE"
answers 4 "$WORK/system" "$SYNCLINE_BIN/syncline" status
echo "stateDir: $WORK/user" >"$USER_FILE"
answers 4 "$WORK/user" "$SYNCLINE_BIN/syncline" status
echo "lanes: many" >/etc/syncline/syncline.yaml
for program in "syncline status" syncline-mover; do
  # shellcheck disable=SC2086
  answers 2 "/etc/syncline/syncline.yaml:1:8: lanes: expected a number" "$SYNCLINE_BIN"/$program
  # shellcheck disable=SC2086
  SYNCLINE_CONFIG=$WORK/none.yaml answers 2 'which SYNCLINE_CONFIG names, is not there' "$SYNCLINE_BIN"/$program
done
SCRIPT
}

@test "a database of a file is meant, unless an option or a variable names a stack's directory" {
  settings 600 <<<"databaseUrl: host=$WORK/nowhere"
  run -4 "$SYNCLINE_BIN/syncline" get jobs
  [[ $output == *"$WORK/nowhere"* ]]
  WANTED=$WORK/flag looks_in "$SYNCLINE_BIN/syncline" --state-dir "$WORK/flag" get jobs
  WANTED=$WORK/variable looks_in env SYNCLINE_STATE_DIR="$WORK/variable" "$SYNCLINE_BIN/syncline" get jobs
  # at the same level the database is meant, and a variable that names one always
  settings 600 <<<"{databaseUrl: host=$WORK/nowhere, stateDir: $WORK/file}"
  run -4 "$SYNCLINE_BIN/syncline" get jobs
  [[ $output == *"$WORK/nowhere"* ]]
  run -4 env SYNCLINE_DATABASE_URL="host=$WORK/other" "$SYNCLINE_BIN/syncline" --state-dir "$WORK/flag" get jobs
  [[ $output == *"$WORK/other"* ]]
  # the file that a variable names wins over what a file has
  echo "host=$WORK/third" >"$WORK/url"
  run -4 env SYNCLINE_DATABASE_URL_FILE="$WORK/url" "$SYNCLINE_BIN/syncline" get jobs
  [[ $output == *"$WORK/third"* ]]
  settings 600 <<<"databaseUrlFile: $WORK/none"
  run -2 "$SYNCLINE_BIN/syncline" get jobs
  [[ $output == *"$USER_FILE:1: SYNCLINE_DATABASE_URL_FILE=$WORK/none: No such file"* ]]
}

@test "what is wrong ends the command and the programs with exit code 2, and says where; help helps all the same" {
  settings 600 <<<$'lanes: many\nplaner: x'
  for program in syncline\ status syncline-planner syncline-mover; do
    read -r -a words <<<"$program"
    run -2 --separate-stderr "$SYNCLINE_BIN/${words[0]}" "${words[@]:1}"
    [ -z "$output" ]
    [[ $stderr == *"$USER_FILE:1:8: lanes: expected a number from 1 to 256, not many"* ]]
    [[ $stderr == *"$USER_FILE:2:1: unknown key 'planer'; did you mean 'planner'?"* ]]
    [[ $stderr == *"${words[0]}: "*"2 faults in the configuration file $USER_FILE"* ]]
  done
  "$SYNCLINE_BIN/syncline" help status
  "$SYNCLINE_BIN/syncline" status --help
  "$SYNCLINE_BIN/syncline" version
  "$SYNCLINE_BIN/syncline-mover" --help
}

@test "a file that others may write, a secret that others may read, a file that is named and not there" {
  settings 666 <<<"lanes: 2"
  run -2 "$SYNCLINE_BIN/syncline" status
  [[ $output == *"others may write into the configuration file $USER_FILE: chmod go-w it"* ]]
  settings 644 <<<"databaseUrl: postgres://u:hidden@h/d"
  run -2 "$SYNCLINE_BIN/syncline" status
  [[ $output == *"$USER_FILE:1: others may read databaseUrl: chmod 600"* ]]
  [[ $output != *hidden* ]]
  run -2 env SYNCLINE_CONFIG="$WORK/none.yaml" "$SYNCLINE_BIN/syncline" status
  [[ $output == *"$WORK/none.yaml, which SYNCLINE_CONFIG names, is not there"* ]]
}

@test "an embedded stack has the settings of who started it, and its programs read no files" {
  # Goal: lanes of the file are those of the movers; names, planners and URLs are the stack's own; what is done to the
  # file later disturbs no program that is started again; doctor names files and keys.
  # Method: a stack of which the file says all that there is; the file is broken, and a mover killed.
  settings 600 <<FILE
databaseUrl: host=$WORK/nowhere
redisUrl: unix://$WORK/nowhere
planner: tcp://127.0.0.1:1
name: everybody
lanes: 3
logJson: true
metrics: tcp://127.0.0.1:1
FILE
  syncline up
  eventually 20 has_mover
  run -0 syncline worker list
  [[ $output != *everybody* ]]
  grep -q '"lanes":"\?3' "$STACK/log/mover-1.log"
  [ -S "$STACK/run/planner-1.http" ]
  for pid in $(stack_pids); do run -1 grep -a nowhere "/proc/$pid/environ"; done # no secret goes further than it must
  # well when every worker has said hello, which takes a moment
  eventually 20 env SYNCLINE_LANES=1 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" doctor
  run -0 --separate-stderr env SYNCLINE_LANES=1 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" doctor
  [[ $output == *"ok       settings     $USER_FILE: databaseUrl, redisUrl, planner, name, lanes (not used), logJson, metrics"* ]]
  [[ $output == *"ok       settings     /etc/syncline/syncline.yaml: not there"* ]]
  echo "nonsense" >"$USER_FILE"
  pid=$(stack_pid mover-1)
  kill -KILL "$pid"
  eventually 20 is_another mover-1 "$pid"
  eventually 20 env SYNCLINE_CONFIG=off "$SYNCLINE_BIN/syncline" --state-dir "$STACK" doctor
  run -0 env SYNCLINE_CONFIG=off "$SYNCLINE_BIN/syncline" --state-dir "$STACK" doctor --json
  [[ $(jq -r '.checks[] | select(.check == "settings") | .message' <<<"$output") == *"SYNCLINE_CONFIG is off" ]]
}

#!/usr/bin/env bats
# Goal: what the documents tell somebody to type works, in the order in which it is told, and says what they say.
# Method: each block of shell is run as it stands on a stack of this suite; only the places are others. A comment
# <!-- says: PATTERN --> below a block, which readers do not see, is what its output must have, line by line.

bats_require_minimum_version 1.5.0

load ../harness/stack
load ../harness/jobs

setup() { stack_setup; }
teardown() { stack_teardown; }

PAGES=$BATS_TEST_DIRNAME/../..

# blocks LANGUAGE PAGE: its blocks, a file each in order, and what each says
blocks() {
  mkdir "$BATS_TEST_TMPDIR/blocks"
  awk -v fence="^\`\`\`$1\$" -v to="$BATS_TEST_TMPDIR/blocks" '
    $0 ~ fence { inside = 1; file = sprintf("%s/%03d", to, ++count); next }
    /^```$/ { inside = 0; next }
    inside { print >file }
    sub(/^<!-- says: /, "") && sub(/ -->$/, "") { print >(file ".says") }' "$2"
}

# typed FILE...: runs them as one script; its output is in OUT
typed() {
  OUT=$BATS_TEST_TMPDIR/out
  { echo 'set -euo pipefail; shopt -s expand_aliases'; cat "$@"; } >"$BATS_TEST_TMPDIR/typed"
  PATH=$SYNCLINE_BIN:$PATH SYNCLINE_STATE_DIR=$STACK SYNCLINE_REDIS_URL=unix://$STACK/run/redis.sock \
    bash "$BATS_TEST_TMPDIR/typed" >"$OUT" 2>&1 || { echo "exit $? of:"; cat "$@" "$OUT"; return 1; }
}

# has_said FILE: OUT has what stands below that block
has_said() {
  local pattern
  [[ -e $1.says ]] || return 0
  while read -r pattern; do
    grep -qE -- "$pattern" "$OUT" || { echo "no line with $pattern says:"; cat "$1" "$OUT"; return 1; }
  done <"$1.says"
}

@test "every block of docs/operations.md does what it says" {
  syncline up
  mkdir "$WORK/here"
  cd "$WORK/here"
  blocks sh "$PAGES/docs/operations.md"
  # the places of an embedded stack of root, and the example's trees, are in this test's directory
  sed -i "s|/var/lib/syncline|$STACK|g; s|/data/photos|$WORK/data/photos|g; s|/backup|$WORK/backup|g" \
    "$BATS_TEST_TMPDIR"/blocks/???
  for block in "$BATS_TEST_TMPDIR"/blocks/???; do
    typed "$BATS_TEST_TMPDIR/blocks/001" "$block"
    has_said "$block"
  done
  [ -e "$WORK/backup/photos/new.jpg" ]
  no_leftovers "$WORK"
}

@test "the commands by hand of README do what it says" {
  # Method: its second block, from `up` to `down`; the third, psql and redis-cli, before `down`.
  mkdir "$WORK/here"
  cd "$WORK/here"
  blocks sh "$PAGES/README.md"
  sed -i "s|build/bin/||; s|/var/lib/syncline|$STACK|g; s|/var/tmp/include|$WORK/include|g" \
    "$BATS_TEST_TMPDIR"/blocks/???
  grep -q '^syncline down' "$BATS_TEST_TMPDIR/blocks/002"
  syncline up # of the harness, which the block finds up already
  grep -v '^syncline \(up\|down\)' "$BATS_TEST_TMPDIR/blocks/002" >"$BATS_TEST_TMPDIR/one"
  typed "$BATS_TEST_TMPDIR/one"
  grep -q 'Succeeded' "$OUT"
  typed "$BATS_TEST_TMPDIR/blocks/003"
  grep -q '[0-9a-f]\{32\}' "$OUT"
  grep -q '^role$' "$OUT"
  syncline down
}

@test "the definitions that README and the manual page show are taken" {
  syncline up
  for page in README.md docs/man/syncline-definitions.5.scd; do
    rm -rf "$BATS_TEST_TMPDIR/blocks"
    case $page in *.md) blocks yaml "$PAGES/$page" ;; *) blocks '' "$PAGES/$page" ;; esac
    run -0 syncline apply --dry-run -f - <"$BATS_TEST_TMPDIR/blocks/001"
    [[ $output == *"sync/"*" created (dry run)"* ]]
  done
}

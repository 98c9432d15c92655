#!/usr/bin/env bats
# Goal: what the programs say about themselves changes only when somebody means it to.
# Method: `--help` of each program and of each command is compared with the files beside this one;
# `make golden` writes them anew.

bats_require_minimum_version 1.5.0

@test "help of the programs and of every command is as it was" {
  "$BATS_TEST_DIRNAME/update" "$BATS_TEST_TMPDIR"
  diff -ru --exclude='*.bats' --exclude=update "$BATS_TEST_DIRNAME" "$BATS_TEST_TMPDIR"
}

@test "every program says the version of the tree" {
  version=$(cat "$BATS_TEST_DIRNAME/../../VERSION")
  for name in planner watcher mover verifier; do
    [ "$("$SYNCLINE_BIN/syncline-$name" --version)" = "syncline-$name $version" ]
  done
  [ "$("$SYNCLINE_BIN/syncline" version)" = "syncline $version" ]
}

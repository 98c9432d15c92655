#!/usr/bin/env bats
# Goal: what the programs say about themselves changes only when somebody means it to.
# Method: `--help` of each program and of each command is compared with the files beside this one;
# `make golden` writes them anew.

bats_require_minimum_version 1.5.0

@test "help of the programs and of every command is as it was" {
  "$BATS_TEST_DIRNAME/update" "$BATS_TEST_TMPDIR"
  diff -ru --exclude='*.bats' --exclude='*.c' --exclude=update "$BATS_TEST_DIRNAME" "$BATS_TEST_TMPDIR"
}

@test "every program says the version of the tree" {
  version=$(cat "$BATS_TEST_DIRNAME/../../VERSION")
  for name in planner watcher mover verifier; do
    [ "$("$SYNCLINE_BIN/syncline-$name" --version)" = "syncline-$name $version" ]
  done
  [ "$("$SYNCLINE_BIN/syncline" version)" = "syncline $version" ]
}

@test "help is an ordinary command: it takes the options that go with every command" {
  # Goal: every way to ask for help helps; what is no option is called that, with exit code 2.
  # Method: the same help by several spellings, compared.
  syncline=$SYNCLINE_BIN/syncline
  [ "$("$syncline" help help)" = "$("$syncline" help --help)" ]
  [ "$("$syncline" help -q sync)" = "$("$syncline" sync --help)" ]
  [ "$("$syncline" help sync --help)" = "$("$syncline" sync --help)" ]
  [ "$("$syncline" help worker list)" = "$("$syncline" worker list --help)" ]
  [ "$("$syncline" help)" = "$("$syncline" --help)" ]
  [ "$("$syncline" help --no-color)" = "$("$syncline" --help)" ]
  run -2 "$syncline" help --nothing
  [[ $output == *"there is no option --nothing"*next:* ]]
  run -2 "$syncline"
}

#!/usr/bin/env bats
# Goal: what is installed is whole, can be read, and says what the programs say.
# Method: `make install` into a directory of the test, whose pages are formatted and whose completion is asked.

bats_require_minimum_version 1.5.0

setup_file() {
  cd "$BATS_TEST_DIRNAME/../.." || return 1
  export TO=$BATS_FILE_TMPDIR
  make --no-print-directory -s BUILD="$(dirname "$SYNCLINE_BIN")" DESTDIR="$TO" PREFIX=/usr install
}

@test "install puts programs, pages and completion where they belong, and uninstall takes them away" {
  cd "$TO/usr"
  [ "$(find . -type f | sort)" = "$(sort <<'FILES'
./bin/syncline
./bin/syncline-planner
./bin/syncline-watcher
./bin/syncline-mover
./bin/syncline-verifier
./share/bash-completion/completions/syncline
./share/man/man1/syncline.1
./share/man/man5/syncline-config.5
./share/man/man5/syncline-definitions.5
./share/man/man8/syncline-planner.8
./share/man/man8/syncline-watcher.8
./share/man/man8/syncline-mover.8
./share/man/man8/syncline-verifier.8
FILES
)" ]
  [ "$(bin/syncline version)" = "syncline $(cat "$BATS_TEST_DIRNAME/../../VERSION")" ]
  cp -r "$TO" "$BATS_TEST_TMPDIR/copy"
  make --no-print-directory -s -C "$BATS_TEST_DIRNAME/../.." BUILD="$(dirname "$SYNCLINE_BIN")" \
    DESTDIR="$BATS_TEST_TMPDIR/copy" PREFIX=/usr uninstall
  [ -z "$(find "$BATS_TEST_TMPDIR/copy" -type f)" ]
}

@test "every page formats without a complaint, and has every command and option" {
  for page in "$TO"/usr/share/man/man?/*; do
    run -0 --separate-stderr env MANWIDTH=120 LC_ALL=C.UTF-8 man --warnings=all -l "$page"
    [ -z "$stderr" ]
    printf '%s\n' "$output" | col -bx >"$BATS_TEST_TMPDIR/$(basename "$page")"
  done
  for help in "$BATS_TEST_DIRNAME"/syncline*.txt; do
    page=$BATS_TEST_TMPDIR/syncline.1
    case $help in
      */syncline-planner.txt | */syncline-watcher.txt | */syncline-mover.txt | */syncline-verifier.txt)
        page=$BATS_TEST_TMPDIR/$(basename "$help" .txt).8 ;;
    esac
    grep -oE '^ *-[-a-zA-Z]*|, --[a-z-]+' "$help" | grep -oE -- '--[a-z-]+' | while read -r option; do
      grep -qF -- "$option" "$page" || { echo "$option of $help is not in $page"; return 1; }
    done
  done
  "$SYNCLINE_BIN/syncline" --help | sed -nE 's/^  ([a-z]+( [a-z][a-z-]*)?) .*/\1/p' | while read -r name; do
    grep -q "^   syncline $name" "$BATS_TEST_TMPDIR/syncline.1"
  done
}

# completed WORD...: what completion offers for the last word
completed() {
  PATH="$SYNCLINE_BIN:$PATH" bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _syncline 2>/dev/null; echo "${COMPREPLY[*]}"' - "$TO/usr/share/bash-completion/completions/syncline" "$@"
}

@test "completion offers commands, their second words, options and roles" {
  [ "$(completed syncline wor)" = worker ]
  [[ " $(completed syncline worker '') " == *" list "* ]]
  [ "$(completed syncline sync --del)" = --delete ]
  [ "$(completed syncline -q scale m)" = mover= ]
  [ "$(completed syncline completion '')" = bash ]
  [ "$(completed syncline get pl)" = plans ]
  [ "$("$SYNCLINE_BIN/syncline" completion bash)" = "$(cat "$TO/usr/share/bash-completion/completions/syncline")" ]
  run -2 "$SYNCLINE_BIN/syncline" completion fish
}

#!/usr/bin/env bats
# bats file_tags=slow
# Real trees that nobody here made, carried whole, changed, carried again; compared by rsync and find.

load ../harness/stack
load ../harness/jobs

setup() { stack_setup; }
teardown() { stack_teardown; }

# sync_json SRC DST: syncs; the job's JSON is in WORK/json
sync_json() { syncline sync --json --progress=none "$1" "$2" >"$WORK/json" 2>"$WORK/err"; }

# git_tree DIRECTORY: a .git directory: of this repository, or of one made from its files
git_tree() {
  local root=$BATS_TEST_DIRNAME/../..
  git -c safe.directory='*' clone -q --bare --no-hardlinks "$root" "$1" 2>/dev/null && return
  git init -q "$1.work"
  cp -r "$root/planner" "$root/shared" "$1.work/"
  git -C "$1.work" add .
  git -C "$1.work" -c user.name=x -c user.email=x@x commit -qm one
  mv "$1.work/.git" "$1"
}

@test "trees of this machine arrive whole, and a second run writes nothing at all" {
  # Goal: what nobody here made arrives as it is; source and, the second time, destination are not written.
  # Method: sync, compare by rsync and find; sync again, compare inodes, ctimes and mtimes of both ends.
  git_tree "$WORK/git"
  syncline up
  for source in "$(real_tree 15000 /usr/share/doc /usr/share/icons /usr/include)" \
    "$(real_tree 15000 /usr/share/perl /usr/lib/python3 /usr/share/cmake-3.25)" \
    "$(real_tree 15000 /usr/share/zoneinfo /usr/share/i18n /usr/share/postgresql)" "$WORK/git"; do
    destination=$WORK/dst$RANDOM
    before=$(tree_marks "$source")
    sync_json "$source" "$destination"
    is_whole "$WORK/json" "$source"
    same_tree "$source" "$destination"
    written=$(tree_marks "$destination")
    sync_json "$source" "$destination"
    jq -e --argjson entries "$(tree_entries "$source")" '.phase == "Succeeded" and
      .counters.scanned == $entries and .counters.unchanged == $entries and .counters.found == 0' "$WORK/json"
    [ "$(tree_marks "$destination")" = "$written" ]
    [ "$(tree_marks "$source")" = "$before" ]
  done
}

# every N: true for about one in N
one_in() { ((RANDOM % $1 == 0)); }

# tree_change DIRECTORY: files rewritten, grown, cut, of other mode, owner and time; links that point elsewhere;
# new files and directories; directories of other names, mode and time
tree_change() {
  local root=$1 path name n=0
  while IFS= read -r -d '' path; do
    one_in 12 || continue
    case $((RANDOM % 7)) in
      0) echo "more $RANDOM" >>"$path" ;;
      1) truncate -s "$(($(stat -c %s "$path") / 2))" "$path" ;;
      2) chmod "$((RANDOM % 2 ? 640 : 4755))" "$path" ;;
      3) [[ $EUID -ne 0 ]] || chown "$((RANDOM % 1000 + 1)):$((RANDOM % 1000 + 1))" "$path" ;;
      4) touch -d "@$((RANDOM * 30000)).123456789" "$path" ;;
      5) cp "$path" "$path.new" && echo x >>"$path.new" && mv "$path.new" "$path" ;;
      6) # the same size and other bytes
        [[ ! -s $path ]] || printf '\001' | dd of="$path" bs=1 conv=notrunc status=none ;;
    esac
    n=$((n + 1))
  done < <(find "$root" -type f -print0 | LC_ALL=C sort -z)
  while IFS= read -r -d '' path; do
    one_in 3 || continue
    ln -sfn "elsewhere/$RANDOM" "$path"
  done < <(find "$root" -type l -print0 | LC_ALL=C sort -z)
  while IFS= read -r -d '' path; do
    case $((RANDOM % 12)) in
      0) chmod 750 "$path" ;;
      1) echo "$RANDOM" >"$path/a new file" ;;
      2) mkdir -p "$path/new/deep/directories" && echo 1 >"$path/new/deep/directories/file" ;;
      3) touch -d '1966-06-06 06:06:06.666666666' "$path" ;;
      4) touch -d '2100-01-01 00:00:00.000000001' "$path" ;;
    esac
  done < <(find "$root" -mindepth 1 -type d -print0 | LC_ALL=C sort -z)
  # the deepest ones first, so that paths stay what they are
  while IFS= read -r -d '' path; do
    one_in 10 || continue
    mv "$path" "$path renamed"
  done < <(find "$root" -mindepth 1 -depth -type d -print0)
  echo "# changed about $n files" >&3
}

# extras SRC DST: how many entries at the destination of which the parent is in the source, and they are not
extras() {
  local path
  (cd "$2" && find . -mindepth 1 -print0) | while IFS= read -r -d '' path; do
    [[ -e $1/$path || -L $1/$path ]] || { [[ ! -d $1/${path%/*} ]] || printf x; }
  done | wc -c
}

@test "trees that change are carried again, and what only the destination has is left alone" {
  # Goal: every kind of change arrives; extras stay, are counted, and are not written.
  # Method: copies of real trees, seeded changes, sync; rsync without --delete sees nothing; twice; then again.
  seed_use
  syncline up
  source=$WORK/src destination=$WORK/dst
  mkdir "$source"
  cp -a "$(real_tree 5000 /usr/share/perl /usr/lib/python3 /usr/share/cmake-3.25)" "$source/a"
  cp -a "$(real_tree 5000 /usr/share/zoneinfo /usr/share/i18n /usr/share/postgresql)" "$source/b"
  sync_json "$source" "$destination"
  same_tree "$source" "$destination"
  for _ in 1 2; do
    tree_change "$source"
    sync_json "$source" "$destination"
    adds_up "$WORK/json"
    [ "$(jq .counters.scanned "$WORK/json")" = "$(tree_entries "$source")" ]
    [ "$(jq .counters.extra "$WORK/json")" = "$(extras "$source" "$destination")" ]
    [ "$(jq '.counters.moved > 0 and .counters.attributes > 0 and .counters.unchanged > 0' "$WORK/json")" = true ]
    [ -z "$(rsync -naic "$source/" "$destination/")" ]
    no_leftovers "$destination"
  done
  # without the extras the two are equal in every way
  rsync -a --delete --existing --ignore-existing "$source/" "$destination/"
  sync_json "$source" "$destination"
  same_tree "$source" "$destination"
  written=$(tree_marks "$destination")
  sync_json "$source" "$destination"
  [ "$(jq .counters.found "$WORK/json")" = 0 ]
  [ "$(tree_marks "$destination")" = "$written" ]
}

@test "a repository lives on in its copy" {
  # Goal: a .git directory that is worked in (new objects, repacked, files replaced) is a repository at the other end.
  # Method: sync, commit, sync, gc, sync; git fsck and rev-parse of the copy.
  git_tree "$WORK/git"
  syncline up
  git() { command git -c safe.directory='*' -c user.name=x -c user.email=x@x -c gc.auto=0 "$@"; }
  sync_json "$WORK/git" "$WORK/dst"
  for what in commit gc; do
    if [ "$what" = commit ]; then
      blob=$(echo "$RANDOM" | git --git-dir="$WORK/git" hash-object -w --stdin)
      tree=$(printf '100644 blob %s\tfile\n' "$blob" | git --git-dir="$WORK/git" mktree)
      commit=$(git --git-dir="$WORK/git" commit-tree -m two "$tree")
      git --git-dir="$WORK/git" update-ref refs/heads/other "$commit"
    else
      git --git-dir="$WORK/git" gc -q
    fi
    sync_json "$WORK/git" "$WORK/dst"
    [ -z "$(rsync -naic "$WORK/git/" "$WORK/dst/")" ]
    git --git-dir="$WORK/dst" fsck --no-progress
    [ "$(git --git-dir="$WORK/dst" rev-parse other)" = "$(git --git-dir="$WORK/git" rev-parse other)" ]
  done
}

@test "names are bytes: in the tree and in the report" {
  # Goal: no name is lost or changed, whatever its bytes, and the report can be read by programs.
  # Method: names with newline, invalid UTF-8, 255 bytes, quotes …; compare trees; compare the report with find.
  long=$(printf 'n%.0s' {1..255})
  mkdir "$WORK/src"
  for name in $'new\nline' $'bad\xff\xfe' "$long" "it's" 'dou"ble' 'back\slash' '-n' '--' ' ' $'tab\t' $'esc\e[31m' \
    '%n%s' 'ünïcödé' $'\xc3' '$HOME' '`x`' '*' '...' '.hidden' '\012' "{}" $'\x7f' $'\x01'; do
    mkdir "$WORK/src/d$name" 2>/dev/null || mkdir "$WORK/src/${name:0:254}d"
    for at in "$WORK/src" "$WORK/src/$(ls -1 "$WORK/src" | head -n 1)"; do
      [[ -d $at ]] || at=$WORK/src
      printf '%s' "$name" >"$at/$name"
      ln -sf -- "$name" "$at/l${name:0:250}"
    done
  done
  entries=$(tree_entries "$WORK/src")
  [ "$entries" -gt 60 ]
  syncline up
  sync_json "$WORK/src" "$WORK/dst"
  is_whole "$WORK/json" "$WORK/src"
  same_tree "$WORK/src" "$WORK/dst"
  # each file and each link has its line; LC_ALL: in UTF-8, bash's read takes \xc3 and the NUL behind it for one
  syncline report -o json "$(jq -r .name "$WORK/json")" >"$WORK/report"
  jq -r 'select(.operation == "put") | if .path then .path | @base64 else .pathBase64 end' "$WORK/report" |
    LC_ALL=C sort >"$WORK/reported"
  (cd "$WORK/src" && find . ! -type d -printf '%P\0') | (
    LC_ALL=C
    while IFS= read -r -d '' path; do printf '%s' "$path" | base64 -w 0 && echo; done
  ) | LC_ALL=C sort >"$WORK/there"
  [ "$(wc -l <"$WORK/there")" -gt 40 ]
  diff "$WORK/reported" "$WORK/there"
  # a terminal gets none of the control characters
  syncline report --limit 1000 "$(jq -r .name "$WORK/json")" >"$WORK/table"
  run grep -P '[\x01-\x09\x0b-\x1f\x7f]' "$WORK/table"
  [ "$status" -eq 1 ]
}

@test "links, holes, attributes and nodes arrive; a socket is refused by name" {
  # Goal: what was carried as less than it is by earlier versions arrives as it is, and nothing says otherwise; what
  # is no content of a tree fails by its name alone, with exit code 6. Method: one of each; rsync, blocks, report.
  mkdir "$WORK/src" "$WORK/whole"
  echo plain >"$WORK/whole/plain"
  ln "$WORK/whole/plain" "$WORK/whole/second"
  truncate -s 3M "$WORK/whole/sparse"
  compare=-H
  echo x >"$WORK/whole/attribute"
  ! setfattr -n user.syncline -v 1 "$WORK/whole/attribute" 2>/dev/null || compare+=X
  echo x >"$WORK/whole/acl"
  ! setfacl -m u:12345:r "$WORK/whole/acl" 2>/dev/null || compare+=A
  syncline up
  sync_json "$WORK/whole" "$WORK/copy"
  syncline report -o json "$(jq -r .name "$WORK/json")" >"$WORK/report"
  [ "$(wc -l <"$WORK/report")" -ge 5 ]
  [ -z "$(jq -r '.notKept[]?' "$WORK/report")" ]
  same_tree "$WORK/whole" "$WORK/copy" "$compare"
  [ "$WORK/copy/plain" -ef "$WORK/copy/second" ]
  [ "$(stat -c %b "$WORK/copy/sparse")" -le "$(stat -c %b "$WORK/whole/sparse")" ]

  echo rest >"$WORK/src/rest"
  mkdir "$WORK/src/in"
  mkfifo "$WORK/src/in/fifo"
  perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un($ARGV[0])) or die' "$WORK/src/socket"
  # where nobody may make devices, root does not either
  [ "$EUID" -ne 0 ] || mknod "$WORK/src/device" c 1 3 2>/dev/null || true
  run syncline sync --json --progress=none "$WORK/src" "$WORK/dst"
  [ "$status" -eq 6 ]
  [[ $output == *"next: syncline report"* ]]
  echo "${lines[0]}" >"$WORK/json"
  adds_up "$WORK/json"
  [ "$(jq -r '.phase, .counters.failed' "$WORK/json" | tr '\n' ' ')" = "CompletedWithErrors 1 " ]
  syncline report --only=failed -o json "$(jq -r .name "$WORK/json")" >"$WORK/report"
  [ "$(jq -r 'select(.error | startswith("UnsupportedKind")) | .path' "$WORK/report")" = socket ]
  rm "$WORK/src/socket"
  touch -r "$WORK/dst" "$WORK/src"
  same_tree "$WORK/src" "$WORK/dst"
  no_leftovers "$WORK/dst" "$WORK/copy"
}

@test "an ordinary user carries real trees" {
  # Goal: no privilege is needed; owners are the user's.
  # Method: as nobody, on a stack of theirs: sync real trees, compare all but owners; again: nothing is written.
  [ "$EUID" -eq 0 ] || skip "the other tests run as an ordinary user now"
  install -d -o nobody -g nogroup "$BASE/u" "$BASE/home"
  as_user syncline --state-dir "$BASE/u/s" up
  STACK=$BASE/u/s
  TREE_OWNERS_DIFFER=1
  for source in "$(real_tree 15000 /usr/share/perl /usr/lib/python3 /usr/share/cmake-3.25)" \
    "$(real_tree 15000 /usr/share/zoneinfo /usr/share/i18n /usr/share/postgresql)"; do
    as_user syncline --state-dir "$STACK" sync --json "$source" "$BASE/u/dst" >"$WORK/json"
    is_whole "$WORK/json" "$source"
    same_tree "$source" "$BASE/u/dst"
    [ -z "$(find "$BASE/u/dst" ! -user nobody)" ]
    written=$(tree_marks "$BASE/u/dst")
    as_user syncline --state-dir "$STACK" sync --json "$source" "$BASE/u/dst" >"$WORK/json"
    [ "$(jq .counters.found "$WORK/json")" = 0 ]
    [ "$(tree_marks "$BASE/u/dst")" = "$written" ]
    mv "$BASE/u/dst" "$BASE/u/dst$RANDOM"
  done
}

@test "what an ordinary user may not read fails alone" {
  # Goal: one unreadable file is one failed item, an unreadable directory protects what it had at the destination;
  # exit code 6, until it is readable. Method: as nobody; old content there before; compare after each run.
  [ "$EUID" -eq 0 ] || skip "needs root to become another user"
  install -d -o nobody -g nogroup "$BASE/u" "$BASE/home"
  STACK=$BASE/u/s
  source=$BASE/u/src destination=$BASE/u/dst
  as_user mkdir -p "$source/closed" "$source/open"
  for path in secret closed/in open/one two; do as_user sh -c 'echo old >"$1"' - "$source/$path"; done
  as_user syncline --state-dir "$STACK" up
  as_user syncline --state-dir "$STACK" -q sync "$source" "$destination"
  for path in secret closed/in open/one two; do as_user sh -c 'echo newer >"$1"' - "$source/$path"; done
  chmod 000 "$source/secret" "$source/closed"
  run as_user syncline --state-dir "$STACK" sync --json --progress=none "$source" "$destination"
  [ "$status" -eq 6 ]
  [[ $output == *"next: syncline report"* ]]
  echo "${lines[0]}" >"$WORK/json"
  adds_up "$WORK/json"
  as_user syncline --state-dir "$STACK" report --only=failed -o json "$(jq -r .name "$WORK/json")" >"$WORK/report"
  [ "$(jq -r 'select(.error | startswith("AccessDenied")) | .path' "$WORK/report" | sort | tr '\n' ' ')" = \
    "closed secret " ]
  [ "$(jq .counters.failed "$WORK/json")" = 2 ]
  [ "$(cat "$destination/secret" "$destination/closed/in" "$destination/open/one" "$destination/two" | tr '\n' ' ')" = \
    "old old newer newer " ]
  no_leftovers "$destination"
  chmod 700 "$source/closed" && chmod 600 "$source/secret"
  as_user syncline --state-dir "$STACK" -q sync "$source" "$destination"
  TREE_OWNERS_DIFFER=1 same_tree "$source" "$destination"
}

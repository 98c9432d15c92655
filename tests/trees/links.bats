#!/usr/bin/env bats
# Names of one object stay names of one object, wherever in the tree they are.

load ../harness/stack
load ../harness/jobs
load ../harness/trees

setup() { stack_setup; }
teardown() { stack_teardown; }

# scattered DIRECTORY: 600 objects with 2 to 5 names each over 60 directories
scattered() {
  local root=$1 i k
  for ((i = 0; i < 60; i++)); do mkdir -p "$root/d$((i % 7))/e$i"; done
  for ((i = 0; i < 600; i++)); do
    echo "content $i" >"$root/d$((i % 7))/e$((i % 60 / 7 * 7 + i % 7))/f$i" 2>/dev/null ||
      echo "content $i" >"$root/d0/e0/f$i"
  done
  mapfile -t files < <(find "$root" -type f)
  for i in "${!files[@]}"; do
    for ((k = 0; k <= i % 4; k++)); do
      ln "${files[i]}" "$root/d$(((i + k) % 7))/link$i.$k"
    done
  done
}

@test "hard links across directories, batches and shards" {
  # Goal: groups are the same groups; content goes over once; a second run is idle; with several workers.
  source=$WORK/src destination=$WORK/dst
  scattered "$source"
  ln -s nowhere "$source/symlink" && ln "$source/symlink" "$source/symlink too"
  mkfifo "$source/fifo" && ln "$source/fifo" "$source/d0/fifo too"
  syncline up --movers 2 --watchers 2
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  adds_up "$WORK/json"
  counters bytesMoved="$(cat "$source"/d*/e*/f* | wc -c | awk '{ print $1 + 7 }')" moved="$((600 + 2 + $(find "$source" -mindepth 1 -type d | wc -l)))" \
    linked="$(($(find "$source" -name 'link*.*' | wc -l) + 2))"
  idle "$source" "$destination"
  # every name has its checksum
  [ "$(stack_psql -c "SELECT count(*) FROM v_objects WHERE kind = 'file'")" = "$(find "$source" -type f | wc -l)" ]
}

@test "links that are made, broken up, moved to other objects, and changed through one name" {
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source/x"
  # of different times: what has one size and one time is equal to a quick comparison
  for i in 1 2 3 4 5 6 7 8; do echo "$i" >"$source/$i" && touch -d "@$((1700000000 + i))" "$source/$i"; done
  ln "$source/1" "$source/x/1a" && ln "$source/1" "$source/x/1b" && ln "$source/2" "$source/2a" && ln "$source/3" "$source/3a"
  syncline up
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  echo "changed through one name" >>"$source/x/1a"                 # in place: all three
  rm "$source/2a" && cp -p "$source/2" "$source/2a"                 # broken up, equal
  ln -f "$source/4" "$source/3a"                                    # to another object
  ln "$source/5" "$source/x/5" && chmod 600 "$source/5"             # made, with other attributes
  rm "$source/6" && ln "$source/7" "$source/6"
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  adds_up "$WORK/json"
  idle "$source" "$destination"
  # at the destination somebody joined what is apart, and parted what is one
  ln -f "$destination/2" "$destination/2a"
  rm "$destination/x/1a" && cp -p "$destination/1" "$destination/x/1a"
  ln "$destination/8" "$destination/8 extra"
  sync_to 0 "$source" "$destination" --delete
  # putting 8 anew moved the ctime of "8 extra", which is not as it was listed: it goes with the next run
  sync_to 0 "$source" "$destination" --delete
  equal "$source" "$destination"
  idle "$source" "$destination" --delete
}

@test "an object whose other names are outside of the tree is carried like any other" {
  source=$WORK/src destination=$WORK/dst
  mkdir "$source" && echo x >"$WORK/outside" && ln "$WORK/outside" "$source/inside"
  syncline up
  sync_to 0 "$source" "$destination"
  [ "$(cat "$destination/inside")" = x ]
  idle "$source" "$destination"
  echo y >>"$WORK/outside"
  sync_to 0 "$source" "$destination"
  cmp "$source/inside" "$destination/inside"
  idle "$source" "$destination"
}

@test "changing one name of a group at the destination never reaches an object outside of it" {
  # Goal: attributes change in place only where the destination's object has exactly that group's names.
  source=$WORK/src destination=$WORK/dst
  mkdir "$source" "$destination" && echo x >"$source/a" && chmod 644 "$source/a"
  syncline up
  sync_to 0 "$source" "$destination"
  ln "$destination/a" "$WORK/kept elsewhere"
  chmod 600 "$source/a"
  sync_to 0 "$source" "$destination"
  [ "$(stat -c %a "$destination/a")" = 600 ]
  [ "$(stat -c %a "$WORK/kept elsewhere")" = 644 ]
}

@test "names of one object where directories are, empty and full, are joined by the same job" {
  # Goal: the group is whole at once, also if all of its names are over directories; the guard holds what is to
  # make way, and nothing else; a run without --delete refuses what is over a full one.
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source/x" "$destination"/{x/a,b,some,all1/in,x/all2/in/in}
  echo group >"$source/plain" && ln "$source/plain" "$source/x/a" && ln "$source/plain" "$source/b"
  ln "$source/plain" "$source/some"
  echo all >"$source/all1" && ln "$source/all1" "$source/x/all2"
  touch "$destination/some/file" "$destination/all1/file" "$destination/x/all2/in/file"
  syncline up
  sync_to 6 "$source" "$destination"
  [ "$(stat -c %h "$destination/plain")" = 3 ]
  [ -d "$destination/all1/in" ] && [ -d "$destination/some" ]
  rm "$destination/b" && mkdir "$destination/b"
  sync_to 8 "$source" "$destination" --delete --max-delete 8
  counters removed=0 moved=0 linked=1
  [ "$(stat -c %h "$destination/plain")" = 3 ]
  [ "$(syncline report "$(job_name)" --only=removed -o json | jq -r .path | sort | tr '\n' ' ')" = \
    "all1 all1/file all1/in some some/file x/all2 x/all2/in x/all2/in/file x/all2/in/in " ]
  syncline approve "$(job_name)" --wait
  equal "$source" "$destination"
  [ "$(stat -c %h "$destination/some" "$destination/x/all2" | tr '\n' ' ')" = "4 2 " ]
  idle "$source" "$destination" --delete
  # the same once more, in one job that nobody has to approve
  rm "$destination/all1" "$destination/x/all2" "$destination/x/a"
  mkdir -p "$destination/all1/in" "$destination/x/all2/in" "$destination/x/a"
  sync_to 0 "$source" "$destination" --delete --dry-run
  counters found=4 removed=0 # and the directory x, whose time is another
  [ -d "$destination/all1/in" ]
  sync_to 0 "$source" "$destination" --delete --max-delete 4
  counters moved=1 linked=2 removed=2 bytesMoved=4
  adds_up "$WORK/json"
  equal "$source" "$destination"
  [ "$(jq -c .notKept "$WORK/json")" = "{}" ]
  idle "$source" "$destination" --delete
}

#!/usr/bin/env bats
# Every kind of object and attribute arrives, is kept up to date, and can be switched off.

load ../harness/stack
load ../harness/jobs
load ../harness/trees

setup() { stack_setup; }
teardown() { stack_teardown; }

@test "extended attributes, lists and times of every kind of object arrive, and their changes" {
  # Goal: what -aHAXS of rsync keeps, and times in nanoseconds of links and directories; a second run is idle.
  # Method: built by setfattr, setfacl, touch; compared by a program of the tests; changed; compared again.
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source/d/below" && echo one >"$source/file" && echo two >"$source/d/two" && ln -s file "$source/link"
  setfattr -n user.comment -v "a value" "$source/file"
  setfattr -n user.empty "$source/file"
  setfattr -n user.dir -v x "$source/d"
  setfacl -m u:1234:rw- "$source/file"
  setfacl -m u:1234:rwx -d -m u:77:r-x "$source/d"
  touch -h -d '1931-03-04 05:06:07.123456789' "$source/link"
  touch -d '1969-12-31 23:59:59.999999999' "$source/file"
  touch -d '2104-02-29 00:00:00.000000001' "$source/d/below"
  touch -d '1950-01-01' "$source/d"
  touch -d '2050-01-01 00:00:00.5' "$source"
  syncline up
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  idle "$source" "$destination"

  # only attributes change: nothing is copied again
  setfattr -n user.comment -v "another" "$source/file"
  setfattr -x user.empty "$source/file"
  setfacl -b "$source/d"
  setfattr -n user.more -v "$(head -c 900 /dev/zero | tr '\0' m)" "$source/d/two"
  inode=$(stat -c %i "$destination/file")
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  counters bytesMoved=0 attributes=3
  [ "$(stat -c %i "$destination/file")" = "$inode" ]
  idle "$source" "$destination"

  # drift at the destination is set right
  setfattr -n user.stray -v 1 "$destination/file" "$destination/d/below"
  setfacl -m u:9:r "$destination/d/two"
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
}

@test "capabilities, setuid and owners survive each other" {
  needs_root
  # Goal: chown clears setuid and capabilities, so the order matters.
  source=$WORK/src destination=$WORK/dst
  mkdir "$source"
  cp /bin/true "$source/cap" && cp /bin/true "$source/suid" && cp /bin/true "$source/plain"
  chown 1234:1235 "$source/cap" "$source/suid"
  chmod 6755 "$source/suid"
  setcap cap_net_raw+ep "$source/cap"
  syncline up
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  getcap "$destination/cap" | grep -q cap_net_raw
  [ "$(stat -c %a "$destination/suid")" = 6755 ]
  # in place, too
  chown 77:78 "$source/cap" "$source/suid"
  chmod 6755 "$source/suid"
  setcap cap_net_raw+ep "$source/cap"
  setcap cap_chown+ep "$source/plain"
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  idle "$source" "$destination"
}

@test "FIFOs and devices are made and never opened, sockets are named" {
  # Goal: a FIFO without a writer would block who opens it for ever; a socket is reported, the rest goes on.
  source=$WORK/src destination=$WORK/dst
  mkdir "$source" && echo x >"$source/file" && mkfifo -m 640 "$source/fifo"
  [[ $EUID -ne 0 ]] || { mknod -m 600 "$source/char" c 1 3 && mknod -m 660 "$source/block" b 7 200; }
  perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die' "$source/socket"
  [ -S "$source/socket" ]
  syncline up
  sync_to 6 "$source" "$destination"
  counters failed=1
  equal "$source" "$destination" --no-sockets
  [ -p "$destination/fifo" ]
  syncline report "$(job_name)" --only=failed -o json | jq -e '.path == "socket" and (.error | test("socket"))'
  rm "$source/socket"
  sync_to 0 "$source" "$destination" # the directory's time
  idle "$source" "$destination"
  # a device becomes another, a FIFO a file and back
  if [[ $EUID -eq 0 ]]; then
    rm "$source/char" && mknod -m 600 "$source/char" c 1 5
  fi
  rm "$source/fifo" && echo now a file >"$source/fifo"
  rm "$source/file" && mkfifo "$source/file"
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
}

@test "holes stay holes, in small files and in one of 5 GiB" {
  source=$WORK/src destination=$WORK/dst
  mkdir "$source"
  truncate -s 5G "$source/large" && echo end >>"$source/large"
  printf data | dd of="$source/large" bs=1 seek=3000000000 conv=notrunc status=none
  truncate -s 10M "$source/only a hole"
  printf x | dd of="$source/middle" bs=1 seek=1000000 status=none && truncate -s 3000000 "$source/middle"
  head -c 100000 /dev/zero >"$source/zeros that are data"
  syncline up
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  (($(du -k "$destination/large" | cut -f1) < 1024))
  [ "$(syncline hash "$destination/large" | cut -d' ' -f1)" = "$(stack_psql -c "SELECT checksum FROM v_objects WHERE path = 'large'")" ]
  idle "$source" "$destination"
  # a file with holes is rewritten in place
  printf more | dd of="$source/middle" bs=1 seek=2000000 conv=notrunc status=none
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
}

@test "preserve switches each attribute" {
  # Goal: what is not to be kept is neither compared nor set.
  source=$WORK/src
  mkdir "$source" && echo x >"$source/file" && chmod 640 "$source/file" && ln "$source/file" "$source/second"
  setfattr -n user.a -v b "$source/file" && setfacl -m u:1234:r "$source/file"
  truncate -s 1M "$source/hole"
  touch -d '2001-02-03' "$source/file"
  syncline up
  sync_to 0 "$source" "$WORK/none" --preserve none
  [ "$(cat "$WORK/none/file")" = x ]
  [ "$(stat -c %h "$WORK/none/file")" = 1 ]
  [ -z "$(getfattr -d --absolute-names "$WORK/none/file")" ]
  [ "$(stat -c %Y "$WORK/none/file")" -gt 1500000000 ]
  (($(du -k "$WORK/none/hole" | cut -f1) >= 1000))
  idle "$source" "$WORK/none" --preserve none
  sync_to 0 "$source" "$WORK/times" --preserve times,xattrs
  [ "$(stat -c %Y "$WORK/times/file")" = "$(stat -c %Y "$source/file")" ]
  [ "$(getfattr --only-values -n user.a --absolute-names "$WORK/times/file")" = b ]
  [ "$(getfacl -c --absolute-names "$WORK/times/file" | grep -c '^user:1234')" = 0 ]
  idle "$source" "$WORK/times" --preserve times,xattrs
  # all of them, over what was made without them
  sync_to 0 "$source" "$WORK/none" --preserve all
  equal "$source" "$WORK/none" --no-holes
}

@test "an ordinary user keeps what may be kept, and is told the rest once per kind" {
  needs_root
  # Goal: without privilege owners cannot be kept: counted and named, exit 0, and the next run is idle.
  source=$WORK/src
  mkdir "$source" && echo x >"$source/a" && echo y >"$source/b"
  chown 1:1 "$source/a" "$source/b" && chmod a+r "$source"/*
  cp /bin/true "$source/cap" && setcap cap_net_raw+ep "$source/cap"
  chmod 755 "$WORK" && mkdir "$WORK/home" "$WORK/dst" && chown nobody:nogroup "$WORK/home" "$WORK/dst"
  mkdir "$BASE/home" && chown nobody "$BASE/home"
  as_user syncline --state-dir "$WORK/home/s" sync --json --progress=none "$source" "$WORK/dst" >"$WORK/json" 2>"$WORK/err"
  jq -e '.phase == "Succeeded" and .notKept.OwnerNotKept >= 3' "$WORK/json"
  [ "$(grep -c -i 'owner' "$WORK/err")" = 1 ]
  [ "$(cat "$WORK/dst/b")" = y ]
  as_user syncline --state-dir "$WORK/home/s" sync --json --progress=none "$source" "$WORK/dst" >"$WORK/json"
  jq -e '.counters.found == 0' "$WORK/json"
  rm -rf "$WORK/home"
}

@test "an ordinary user's directories that are not writable take changes and keep their modes, the root too" {
  needs_root
  # Goal: 0555 at the source: new names, changes of attributes alone, removals; each mode is set back.
  source=$BASE/u/src destination=$BASE/u/dst
  install -d -o nobody -g nogroup "$BASE/u" "$BASE/home" "$source" "$source/d"
  echo 1 >"$source/d/a" && echo 2 >"$source/b" && chown -R nobody:nogroup "$source" && chmod 555 "$source" "$source/d"
  sync_as_user() { as_user syncline --state-dir "$BASE/u/s" sync --json --progress=none "$@" "$source" "$destination" >"$WORK/json"; }
  as_user syncline --state-dir "$BASE/u/s" up
  sync_as_user
  equal "$source" "$destination"
  chmod 600 "$source/d/a"
  sync_as_user
  counters attributes=1
  equal "$source" "$destination"
  rm "$source/d/a" && echo 3 >"$source/d/c" && echo 4 >"$source/e" && chown nobody:nogroup "$source/d/c" "$source/e"
  sync_as_user --delete
  counters removed=1 moved=2
  equal "$source" "$destination"
  as_user syncline --state-dir "$BASE/u/s" down
}

@test "where modes are not preserved new directories are everybody's to enter, old ones stay" {
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source/new/er" "$source/old" "$destination/old" && chmod 700 "$destination/old"
  echo x | tee "$source/new/er/f" >"$source/old/f"
  sync_to 0 --preserve times "$source" "$destination"
  [ "$(stat -c %a "$destination"/{new,new/er,new/er/f,old} | paste -sd ' ')" = "755 755 644 700" ]
}

@test "a file that makes its content up as it is read is not carried as an empty one" {
  # Goal: /proc says that its files have no bytes: told as changed, and nothing put.
  code=0
  syncline sync --json --progress=none /proc/sys/fs/epoll "$WORK/dst" >"$WORK/json" || code=$?
  [ "$code" = 6 ]
  counters moved=0 changed=1
  [ -z "$(ls "$WORK/dst")" ]
}

@test "an attribute or list that comes to an object long at rest is noticed, at either end" {
  # Goal: that an object had none, which a watcher remembers, is no reason to overlook one.
  # Method: one watcher, runs until it remembers; then user attributes and lists on both sides, set and taken away.
  source=$WORK/src destination=$WORK/dst
  mkdir -p "$source/d" && touch "$source/file" "$source/other" "$source/d/below" && ln -s file "$source/link"
  syncline up
  sync_to 0 "$source" "$destination"
  # what changed within the last two seconds is not remembered
  until [ "$(date +%s)" -gt "$(($(stat -c %Z "$destination/file" "$destination" | sort -n | tail -n 1) + 3))" ]; do sleep 0.1; done
  idle "$source" "$destination"
  idle "$source" "$destination"

  setfacl -m u:1234:r "$source/file"
  setfattr -n user.new -v 1 "$source/d/below"
  setfacl -m u:1234:r "$destination/other"
  setfacl -d -m u:1234:rx "$destination/d"
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  counters attributes=4
  idle "$source" "$destination"

  setfacl -b "$source/file"
  setfattr -x user.new "$destination/d/below"
  sync_to 0 "$source" "$destination"
  equal "$source" "$destination"
  counters attributes=2
  idle "$source" "$destination"
}

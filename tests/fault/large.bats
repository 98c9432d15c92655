#!/usr/bin/env bats
# bats file_tags=slow
# Files that go in parts: whole, whatever becomes of the source meanwhile.

load ../harness/stack
load ../harness/jobs
load ../harness/trees
load ../harness/large

setup() {
  stack_setup
  large_setup
}
teardown() { stack_teardown; }

# blocks FILE: what it takes, in KiB
blocks() { du -k "$1" | cut -f1; }

@test "one file by one, two and four movers is whole, with its holes, and its hash is what hash prints" {
  # Goal: however many carry it, it is the same file and the same hash, counted once.
  # Method: 700 MiB with holes to empty places; cmp, blocks, sums, ledger against `syncline hash`; who staged.
  large_make "$WORK/src/big"
  syncline up
  for movers in 1 2 4; do
    syncline scale "mover=$movers"
    rm -rf "$WORK/dst"
    mkdir "$WORK/dst"
    : >"$STACK/log/planner-1.log"
    sync_define "by$movers" "$WORK/src" "$WORK/dst"
    job_run "by$movers"
    carried "by$movers"
    [ "$(carriers | wc -l)" -eq "$movers" ]
    [ "$(parts_from source | uniq | wc -l)" -eq 11 ]
    [ "$(parts_from source | wc -l)" -eq 11 ]
    [ "$(blocks "$WORK/dst/big")" -le $(($(blocks "$WORK/src/big") + 1024)) ]
    counter_is "by$movers" proven 1
    counter_is "by$movers" bytesProven "$(stat -c %s "$WORK/src/big")"
    counter_is "by$movers" mismatched 0
  done
}

@test "a source that is replaced in mid-file is carried whole" {
  # Goal: no mixture of versions.
  # Method: another file takes its name between two parts; the destination has the new one.
  large_make "$WORK/src/big" 300
  large_make "$WORK/other" 310
  syncline up --movers 2
  sync_define rests "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start rests
  eventually 30 parts_are 1
  mv "$WORK/other" "$WORK/src/big"
  job_wait rests
  cmp "$WORK/src/big" "$WORK/dst/big"
  same_tree "$WORK/src" "$WORK/dst"
  counter_is rests moved 1
}

@test "a source that never rests is changed, and the old copy stays" {
  # Goal: an honest outcome, and nothing torn.
  # Method: a byte is written ten times a second until the job has ended; the destination's inode and content.
  large_make "$WORK/src/big" 200
  cp "$WORK/src/big" "$WORK/old"
  cp "$WORK/src/big" "$WORK/dst/big"
  touch -d 2001-01-01 "$WORK/dst/big"
  marks=$(stat -c '%i %Y %s' "$WORK/dst/big")
  syncline up --movers 2
  sync_define restless "fault:delay_ms=20;dir:$WORK/src" "$WORK/dst"
  job_start restless
  while is_running "$JOB_WAITER"; do
    printf x | dd of="$WORK/src/big" bs=1 seek=1000 conv=notrunc status=none
    sleep 0.1
  done
  code=0
  job_wait restless || code=$?
  [ "$code" -eq 6 ]
  counter_is restless changed 1
  [ "$(stat -c '%i %Y %s' "$WORK/dst/big")" = "$marks" ]
  cmp "$WORK/old" "$WORK/dst/big"
  no_leftovers "$WORK/dst"
}

@test "a source that is cut off in mid-file arrives as it is then" {
  # Goal: it is no large file any more, and its hash is that of a small one.
  # Method: truncate between two parts, while the movers stand still: the kernel sets the size first, and the time once
  # more when all is cut; cmp, ledger.
  large_make "$WORK/src/big" 300
  syncline up --movers 2
  sync_define cut "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start cut
  eventually 30 parts_are 1
  movers=("$(stack_pid mover-1)" "$(stack_pid mover-2)")
  kill -STOP "${movers[@]}"
  eventually 10 is_stopped "${movers[0]}"
  eventually 10 is_stopped "${movers[1]}"
  truncate -s 5000000 "$WORK/src/big"
  kill -CONT "${movers[@]}"
  job_wait cut
  cmp "$WORK/src/big" "$WORK/dst/big"
  same_tree "$WORK/src" "$WORK/dst"
  ledger_is_true cut "$WORK/dst"
}

@test "a part that does not match is staged again, and counted; a disk that always lies fails the file" {
  # Goal: only proven bytes are published.
  # Method: the first two parts are corrupted on their way to the disk; then every one.
  large_make "$WORK/src/big" 200
  syncline up --movers 2
  sync_define rot "$WORK/src" "fault:corrupt=2;dir:$WORK/dst"
  job_run rot
  carried rot
  jq -e '.counters.mismatched >= 1 and .counters.proven == 1' "$WORK/rot.json"

  mkdir "$WORK/never"
  sync_define liar "$WORK/src" "fault:corrupt=100000;dir:$WORK/never"
  code=0
  job_run liar || code=$?
  [ "$code" -eq 6 ]
  counter_is liar failed 1
  [ ! -e "$WORK/never/big" ]
  no_leftovers "$WORK/never"
}

@test "a large file replaces another one, with durability strict too" {
  # Goal: the new content is durable before it takes the name; parts are synced before their proof.
  # Method: twice, another content each time.
  large_make "$WORK/src/big" 200
  syncline up --movers 2
  sync_define replace "$WORK/src" "$WORK/dst"
  job_run replace
  carried replace
  large_make "$WORK/src/big" 260
  job_run replace
  cmp "$WORK/src/big" "$WORK/dst/big"
  same_tree "$WORK/src" "$WORK/dst"
  large_make "$WORK/src/big" 220
  stack_psql -c "UPDATE synchronization SET spec = spec || '{\"durability\": \"strict\"}' WHERE name = 'replace'"
  job_run replace
  cmp "$WORK/src/big" "$WORK/dst/big"
  same_tree "$WORK/src" "$WORK/dst"
  ledger_is_true replace "$WORK/dst"
}

@test "a large file and many small ones do not wait for each other" {
  # Goal: neither starves.
  # Method: small files whose reading takes far longer than the large one's; by the times that renames leave, some are
  # published after the large one's copy was begun and before it is published, and some after that.
  large_make "$WORK/src/big" 300
  for i in {1..3000}; do echo "$i" >"$WORK/src/f$i"; done
  syncline up
  sync_define both "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start both
  job_wait both
  carried both
  [ "$(find "$WORK/dst" -name 'f*' -newerct "@$(stat -c %.9W "$WORK/dst/big")" ! -newercc "$WORK/dst/big" | wc -l)" -gt 0 ]
  [ "$(find "$WORK/dst" -name 'f*' -newercc "$WORK/dst/big" | wc -l)" -gt 0 ]
}

@test "a file that two hosts wrote replaces another: each makes its parts durable first" {
  # Goal: a segment settles on every host that wrote a part, and so does a replacement before it is published.
  # Method: a second mover in a mount namespace where the kernel has another id; strace of its syncfs.
  [[ $EUID -eq 0 ]] || skip "needs root"
  command -v strace >/dev/null || skip "needs strace"
  large_make "$WORK/src/big" 400
  truncate -s 1000 "$WORK/dst/big"
  syncline up
  echo 00000000-1111-2222-3333-444444444444 >"$WORK/boot_id"
  # shellcheck disable=SC2016
  SYNCLINE_NAME=elsewhere SYNCLINE_PLANNER="ipc://$STACK/run/planner-*.ipc" unshare -m sh -c '
    mount --bind "$1" /proc/sys/kernel/random/boot_id && exec strace -f -qq -ttt -e trace=syncfs -o "$2" timeout 120 "$3"' sh \
    "$WORK/boot_id" "$WORK/syncs" "$SYNCLINE_BIN/syncline-mover" >"$WORK/elsewhere.log" 2>&1 </dev/null 3>&- &
  STACK_STARTED+=("$!")
  eventually 20 grep -q 'event=worker_joined.*elsewhere' "$STACK/log/planner-1.log"
  STACK_STARTED+=("$(sed -n 's/.*event=worker_joined.*elsewhere.* pid=\([0-9]*\) .*/\1/p' "$STACK/log/planner-1.log")")
  sync_define hosts "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start hosts
  job_wait hosts
  cmp "$WORK/src/big" "$WORK/dst/big"
  [ "$(carriers | wc -l)" -eq 2 ]
  # one before it is published (the time of a rename may be that of the tick before it), one for the segment
  grep 'syncfs(' "$WORK/syncs" | awk '{ print $2 }' | sort -n | awk -v published="$(stat -c %.9Z "$WORK/dst/big")" '
    NR == 1 { first = $1 }
    END { exit !(NR >= 2 && first < published + 0.01 && $1 >= published) }' ||
    { cat "$WORK/syncs" >&2; stat "$WORK/dst/big" >&2; false; }
  no_leftovers "$WORK/dst"
}

#!/usr/bin/env bats
# Files that go in parts: by several movers at once, whoever is lost, stopped or killed, and whatever becomes of the
# source meanwhile.

load ../harness/stack
load ../harness/jobs

setup() {
  stack_setup
  export SYNCLINE_LOG_LEVEL=debug # which part came from where is said there
  mkdir "$WORK/src" "$WORK/dst"
}
teardown() { stack_teardown; }

# large_make FILE [MIB]: data, a hole of 130 MiB, data, a hole, an end that fills no block
large_make() {
  local size=$((${2:-700} * 1048576 + 4711)) third=$((${2:-700} / 3))
  rm -f "$1"
  dd if=/dev/urandom of="$1" bs=1M count=$((third)) status=none
  dd if=/dev/urandom of="$1" bs=1M seek=$((third + 130)) count=$((third / 2)) conv=notrunc status=none
  truncate -s "$size" "$1"
  dd if=/dev/urandom of="$1" bs=1 seek=$((size - 300)) count=300 conv=notrunc status=none
}

# parts_from source|copy: the numbers of the parts that the planner heard of, one a line
parts_from() {
  sed -n "s/.*event=part_staged.* part=\([0-9]*\) .*from=$1 .*/\1/p" "$STACK"/log/planner-1.log | sort -n
}
# carriers: who staged parts
carriers() { sed -n 's/.*event=part_staged.* worker=\([^ ]*\).*/\1/p' "$STACK"/log/planner-1.log | sort -u; }
carriers_are() { (($(carriers | wc -l) >= $1)); }
parts_are() { (($(parts_from source | wc -l) >= $1)); }
was_abandoned() { grep -q 'event=copy_abandoned' "$STACK/log/planner-1.log"; }

# carried NAME: the job that has ended carried all of src to dst, and the ledger says what is there
carried() {
  is_whole "$WORK/$1.json" "$WORK/src"
  cmp "$WORK/src/big" "$WORK/dst/big"
  same_tree "$WORK/src" "$WORK/dst"
  ledger_is_true "$1" "$WORK/dst"
}

# blocks FILE: what it takes, in KiB
blocks() { du -k "$1" | cut -f1; }

counter_is() {
  [[ $(jq -r ".counters.$2" "$WORK/$1.json") == "$3" ]] || { cat "$WORK/$1.json" >&2; return 1; }
}

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

@test "a mover that is killed in mid-file: its parts go to others, finished ones are not read again" {
  # Goal: each part is read from the source once by those that live; what was finished is adopted.
  # Method: a source that is slow to read; kill -9 when three parts are there; the planner's lines of parts.
  large_make "$WORK/src/big"
  syncline up --movers 2
  sync_define killed "fault:delay_ms=30;dir:$WORK/src" "$WORK/dst"
  job_start killed
  eventually 30 parts_are 3
  eventually 30 carriers_are 2 # who has done nothing yet may have nothing to lose
  finished=$(parts_from source | wc -l)
  kill -KILL "$(stack_pid mover-2)"
  job_wait killed
  carried killed
  was_abandoned
  [ "$(parts_from source | wc -l)" -eq 11 ]
  [ "$(parts_from source | uniq -d | wc -l)" -eq 0 ]
  [ "$(parts_from copy | wc -l)" -ge "$finished" ]
}

@test "movers killed again and again: the file arrives whole" {
  # Goal: any number of losses within a file's bounds; nothing is left.
  # Method: random kills of three movers and the verifier in a slow job.
  seed_use
  large_make "$WORK/src/big" 300
  syncline up --movers 3
  sync_define again "fault:delay_ms=30;dir:$WORK/src" "$WORK/dst"
  job_start again
  for ((kills = 0; kills < 4; kills++)); do
    name=$(printf '%s\n' mover-1 mover-2 mover-3 verifier-1 | sed -n "$((RANDOM % 4 + 1))p")
    pid=$(stack_pid "$name")
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    sleep "1.$((RANDOM % 10))"
  done
  job_wait again
  carried again
}

@test "a mover that is stopped in mid-part and goes on publishes nothing and changes nothing" {
  # Goal: who was taken for lost writes into a file that nobody will see.
  # Method: SIGSTOP in mid-file, the others end the job; inode and times; SIGCONT; the same inode and times, cmp.
  large_make "$WORK/src/big"
  syncline up --movers 2
  sync_define stopped "fault:delay_ms=30;dir:$WORK/src" "$WORK/dst"
  job_start stopped
  eventually 30 parts_are 2
  pid=$(stack_pid mover-2)
  kill -STOP "$pid"
  job_wait stopped
  is_stopped "$pid"
  carried stopped
  was_abandoned
  marks=$(tree_marks "$WORK/dst")
  kill -CONT "$pid"
  eventually 30 is_idle mover-2
  [ "$(tree_marks "$WORK/dst")" = "$marks" ]
  carried stopped
  [ "$(stack_pid mover-2)" = "$pid" ]
}

@test "a stopped mover that goes on while the job still runs writes into the abandoned copy only" {
  # Goal: the same within the job.
  # Method: SIGCONT as soon as its parts were taken back; the proofs find nothing that does not match.
  large_make "$WORK/src/big"
  syncline up --movers 2
  sync_define within "fault:delay_ms=20;dir:$WORK/src" "$WORK/dst"
  job_start within
  eventually 30 parts_are 2
  pid=$(stack_pid mover-2)
  kill -STOP "$pid"
  eventually 30 was_abandoned
  kill -CONT "$pid"
  job_wait within
  carried within
  counter_is within mismatched 0
  [ "$(stack_pid mover-2)" = "$pid" ]
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
  # Method: truncate between two parts; cmp, ledger.
  large_make "$WORK/src/big" 300
  syncline up --movers 2
  sync_define cut "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start cut
  eventually 30 parts_are 1
  truncate -s 5000000 "$WORK/src/big"
  job_wait cut
  cmp "$WORK/src/big" "$WORK/dst/big"
  same_tree "$WORK/src" "$WORK/dst"
  ledger_is_true cut "$WORK/dst"
}

@test "a planner that is killed in mid-file: the next one carries it, and nothing is left" {
  # Goal: all tokens of the earlier epoch are revoked before anything is staged again.
  # Method: kill -9 of the planner between two parts; sums, tree, ledger.
  large_make "$WORK/src/big" 400
  syncline up --movers 2
  sync_define planner "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start planner
  eventually 30 parts_are 2
  kill -KILL "$(stack_pid planner-1)"
  job_wait planner
  carried planner
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

# arrived: how many of the small files are there
arrived() { find "$WORK/dst" -name 'f*' 2>/dev/null | wc -l; }
some_arrived() { (($(arrived) > 0)); }

@test "a large file and many small ones do not wait for each other" {
  # Goal: neither starves.
  # Method: small files whose reading takes far longer than the large one's; each is seen while the other is under way.
  large_make "$WORK/src/big" 300
  for i in {1..3000}; do echo "$i" >"$WORK/src/f$i"; done
  syncline up
  sync_define both "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start both
  eventually 60 test -e "$WORK/dst/big"
  [ "$(arrived)" -lt 3000 ]
  [ "$(arrived)" -gt 0 ]
  job_wait both
  carried both
}

@test "a job that is cancelled in mid-file ends, and leaves nothing" {
  # Goal: parts are given up cleanly, and the next job carries the file.
  # Method: cancel between two parts; then run again.
  large_make "$WORK/src/big" 400
  syncline up --movers 2
  sync_define cancelled "fault:delay_ms=20;dir:$WORK/src" "$WORK/dst"
  job_start cancelled
  eventually 30 parts_are 1
  syncline cancel "$(stack_psql -c "SELECT name FROM v_jobs WHERE synchronization = 'cancelled'")"
  code=0
  job_wait cancelled || code=$?
  [ "$code" -eq 9 ]
  [ ! -e "$WORK/dst/big" ]
  no_leftovers "$WORK/dst"
  job_run cancelled
  carried cancelled
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
    mount --bind "$1" /proc/sys/kernel/random/boot_id && exec strace -f -qq -e trace=syncfs -o "$2" timeout 120 "$3"' sh \
    "$WORK/boot_id" "$WORK/syncs" "$SYNCLINE_BIN/syncline-mover" >"$WORK/elsewhere.log" 2>&1 </dev/null 3>&- &
  STACK_STARTED+=("$!")
  eventually 20 grep -q 'event=worker_joined.*elsewhere' "$STACK/log/planner-1.log"
  STACK_STARTED+=("$(sed -n 's/.*event=worker_joined.*elsewhere.* pid=\([0-9]*\) .*/\1/p' "$STACK/log/planner-1.log")")
  sync_define hosts "fault:delay_ms=10;dir:$WORK/src" "$WORK/dst"
  job_start hosts
  job_wait hosts
  cmp "$WORK/src/big" "$WORK/dst/big"
  [ "$(carriers | wc -l)" -eq 2 ]
  # before publish, and for the segment
  [ "$(grep -c 'syncfs(' "$WORK/syncs")" -ge 2 ]
  no_leftovers "$WORK/dst"
}

#!/usr/bin/env bats
# Definitions as operators write them: applied, compared, refused, selected, printed, set, described, deleted, run.
# One stack serves all tests of this file; each has names and paths of its own.

bats_require_minimum_version 1.5.0
load ../harness/stack
load ../harness/jobs
load ../harness/definitions

setup_file() { stack_setup_file; }
teardown_file() { BATS_TEST_COMPLETED=1 stack_teardown; }

setup() {
  DIR=$WORK/$BATS_TEST_NUMBER
  mkdir -p "$DIR/defs"
  cd "$DIR"
}

# pair NAME: assets NAME-src and NAME-dst, directories of this test, and synchronization NAME
pair() {
  mkdir -p "$DIR/$1-src" "$DIR/$1-dst"
  asset "$1-src" "$DIR/$1-src"
  asset "$1-dst" "$DIR/$1-dst"
  sync "$1" "$1-src" "$1-dst"
}

is_defined() { [[ $(syncline get "$1" "$2" -o name) == */"$2" ]]; }

@test "documents of a file, of a directory, of the input are applied as given" {
  # Goal: every way to give them; lines say what became of each, in that order; again, nothing does.
  # Method: the lines, compared; a directory's files by name, other files left alone.
  pair ways >defs/one.yaml
  run -0 syncline apply -f defs/one.yaml
  [ "$output" = "asset/ways-src created
asset/ways-dst created
sync/ways created" ]
  asset ways-b "$DIR/b" >defs/b.yml
  asset ways-a "$DIR/a" >defs/a.yaml
  echo 'no: definition' >defs/notes.txt
  echo 'no: definition' >defs/.hidden.yaml
  run -0 syncline apply -f defs
  [ "$output" = "asset/ways-a created
asset/ways-b created
asset/ways-src unchanged
asset/ways-dst unchanged
sync/ways unchanged" ]
  run -0 syncline apply -f - <<<'{"apiVersion": "syncline/v1", "kind": "Asset", "metadata": {"name": "ways-json"},
    "spec": {"directory": {"path": "/ways/json"}}}'
  [ "$output" = "asset/ways-json created" ]
  asset ways-a "$DIR/a" team:\ x >defs/a.yaml
  run -0 syncline apply -f defs/b.yml -f defs/a.yaml
  [ "$output" = "asset/ways-b unchanged
asset/ways-a configured" ]
}

@test "what cannot be read is refused, with its place and what was meant" {
  # Goal: no field is ignored; every file is looked at; nothing of any of them is applied.
  # Method: a slip in one file, a wrong unit in another, a right one beside them; exit code 2.
  pair slips >defs/right.yaml
  sync slips-one slips-src slips-dst 'deleet: {enabled: true}' >defs/slip.yaml
  sync slips-two slips-src slips-dst 'limits: {bandwidth: 12}' >defs/unit.yaml
  run -2 syncline apply -f defs
  says "defs/slip.yaml:5:"
  says "did you mean"
  says "defs/unit.yaml:5:"
  says "2 faults"
  run -3 syncline get sync slips
  run -2 syncline apply -f defs/none.yaml
  says "defs/none.yaml cannot be read"
  mkdir empty
  run -2 syncline apply -f empty
  says "there is no file *.yaml"
  run -2 syncline apply -f <(head -c 17000000 /dev/zero)
  says "is larger than the 16 MiB"
  run -2 syncline apply -f - </dev/null
  says "there is no definition"
  run -2 syncline apply
  says "apply wants files"
  run -2 syncline apply defs/right.yaml
  run -2 syncline diff -f defs
  says "2 faults"
}

@test "what cannot be true together is refused, and nothing of it is applied" {
  # Goal: missing assets, overlapping destinations and circles are named with file, line, names and paths.
  # Method: one of each beside definitions that are right; afterwards none of those is there.
  pair whole >right.yaml
  sync astray whole-src whole-dts >defs/missing.yaml
  run -2 syncline apply -f right.yaml -f defs/missing.yaml
  says "defs/missing.yaml:3: sync/astray: there is no asset whole-dts for its destination; did you mean whole-dst?"
  { asset within "$DIR/whole-dst/deep"; sync inner whole-src within; } >defs/overlap.yaml
  run -2 syncline apply -f right.yaml -f defs/overlap.yaml
  says "defs/overlap.yaml:8: synchronization inner would write into $DIR/whole-dst/deep, and whole writes into $DIR/whole-dst"
  { asset third "$DIR/third"; sync onward whole-dst third; sync around third whole-src; } >defs/cycle.yaml
  run -2 syncline apply -f right.yaml -f defs/cycle.yaml
  says "data would go round in a circle"
  says "onward ($DIR/whole-dst to $DIR/third), around ($DIR/third to $DIR/whole-src)"
  says "1 fault in definitions; nothing was applied"
  for name in whole inner onward around; do run -3 syncline get sync "$name"; done
  for name in whole-src within third; do run -3 syncline get asset "$name"; done
  # a chain is fine
  { cat right.yaml; asset third "$DIR/third"; sync onward whole-dst third; } >defs/chain.yaml
  syncline apply -f defs/chain.yaml
  # and what is there counts
  run -2 syncline apply -f - < <(sync around third whole-src)
  says "stdin:3: data would go round in a circle"
}

@test "a dry run and diff tell what would be, and change nothing" {
  # Goal: exit code 1 where something differs, 0 where nothing does; the text is what would change.
  # Method: before and after apply, after a change of one field.
  pair shown >defs/shown.yaml
  run -0 syncline apply -f defs --dry-run
  [ "${lines[2]}" = "sync/shown created (dry run)" ]
  run -1 syncline diff -f defs
  says "+++ sync/shown (defs/shown.yaml:13)"
  says "+  source: shown-src"
  run -3 syncline get sync shown
  syncline apply -f defs
  run -0 syncline diff -f defs
  [ -z "$output" ]
  sync shown shown-src shown-dst 'limits: {lanes: 4}, compare: checksum' >changed.yaml
  run -1 syncline diff -f changed.yaml
  [ "$output" = "--- sync/shown (as it is)
+++ sync/shown (changed.yaml:3)
@@ -5,3 +5,6 @@
 spec:
   source: shown-src
   destination: shown-dst
+  compare: checksum
+  limits:
+    lanes: 4" ]
  run -0 syncline diff -f defs
}

@test "what apply was given, get prints: it is unchanged when it is applied again" {
  # Goal: nothing is lost on the way into the truth and back, by text and by name.
  # Method: a definition with every kind of field; its YAML is applied; one of them by name as JSON.
  { pair trip; sync trip trip-src trip-dst 'filters: ["- .cache/**", "- *.tmp", "+ \"x\""], delete: {enabled: true, max: 10%},
    compare: checksum, verify: {hash: sha256}, preserve: [mode, times], durability: strict, historyLimit: 7,
    limits: {bandwidth: 200MiB/s, lanes: 8}, retry: {attempts: 5, backoff: 1s, maxBackoff: 5m}' 'team: a, "on": "off"'; } |
    awk '/^---/ { n++ } n != 3' >defs/trip.yaml
  syncline apply -f defs
  { syncline get assets -o yaml; echo ---; syncline get sync trip -o yaml; } >printed.yaml
  run -0 syncline apply -f printed.yaml
  [[ $output != *created* && $output != *configured* ]]
  says "sync/trip unchanged"
  syncline get sync trip -o json >printed.json
  [ "$(jq -r '.spec.limits.bandwidth, .spec.source, .labels.on, .kind' printed.json | paste -sd' ')" = \
    "200MiB/s trip-src off Synchronization" ]
  [ "$(jq -c '.status' printed.json)" = \
    '{"lastJob":null,"phase":null,"reason":null,"lastFinished":null,"lastSuccess":null,"restorableTo":null,"suspended":false}' ]
  [ "$(syncline get asset trip-src -o json | jq -c '[.status.usedBy, .spec.directory.path]')" = \
    "[[\"trip\"],\"$DIR/trip-src\"]" ]
}

@test "get selects by labels, shows more when asked, knows kinds and names" {
  # Goal: selectors, --limit, wide tables, names that are not there, kinds of later versions.
  # Method: three assets with labels; the names that are printed.
  { asset sel-a /sel/a 'sel: x, tier: gold'; asset sel-b /sel/b 'sel: x'; asset sel-c /sel/c 'sel: "y"'; } >defs/a.yaml
  syncline apply -f defs
  [ "$(syncline get assets -l sel=x -o name | sort | paste -sd' ')" = "asset/sel-a asset/sel-b" ]
  [ "$(syncline get as -l 'sel=x,!tier' -o name)" = asset/sel-b ]
  [ "$(syncline get asset -l 'sel in (x,y)' -o name --limit 2 | wc -l)" = 2 ]
  [ "$(syncline get assets -l sel=z -o json | jq -c .)" = '{"items":[]}' ]
  run -0 syncline get assets -l tier=gold -o wide
  says "sel=x,tier=gold"
  says "USED-BY"
  run -2 syncline get assets -l 'sel in ('
  run -0 syncline get workers -o wide
  says PLANNER
  run -3 syncline get asset sel-d
  says "there is no asset named sel-d; did you mean sel-"
  run -2 syncline get lives
  says "not in this version"
  run -2 syncline delete live/x
  says "not in this version"
}

# watch_start ARGUMENTS...: `get ARGUMENTS -w` in the background; what it prints is in lines, its number in WATCHER
watch_start() {
  : >lines # what the one before said is no sign of this one
  "$SYNCLINE_BIN/syncline" --state-dir "$STACK" get "$@" -w >lines 3>&- &
  WATCHER=$!
  STACK_STARTED+=("$WATCHER")
  eventually 10 test -s lines
}
# watch_end: interrupts it, as a person does
watch_end() {
  local code=0
  kill -INT "$WATCHER"
  wait "$WATCHER" || code=$?
  [ "$code" -eq 130 ]
}

@test "get -w prints again what changes, until it is interrupted" {
  # Goal: a person, and a script, see a change without asking again; exit code 130 as of `wait`.
  # Method: a watch as JSON lines, one as a table; a label changes; Postgres is killed in between; SIGINT.
  asset seen /seen >defs/a.yaml
  syncline apply -f defs
  watch_start asset seen -o json
  asset seen /seen 'a: b' >defs/a.yaml
  syncline apply -f defs
  eventually 10 grep -q '"a":"b"' lines
  killed=$(stack_pid postgres-1)
  kill -KILL "$killed"
  eventually 30 is_another postgres-1 "$killed"
  asset seen /seen 'a: c' >defs/a.yaml
  eventually 30 syncline apply -f defs
  eventually 30 grep -q '"a":"c"' lines
  [ "$(jq -r .name lines | paste -sd' ')" = "seen seen seen" ]
  watch_end
  watch_start assets -l a -o wide
  asset seen /seen 'a: d' >defs/a.yaml
  syncline apply -f defs
  eventually 10 grep -q 'a=d' lines
  [ "$(grep -c NAME lines)" -eq 1 ]
  [ "$(grep -c '^seen ' lines)" -eq 2 ]
  watch_end
}

@test "get -w and events -w end when nobody reads any more, though nothing changes" {
  # Goal: `| head -1` in a script ends within seconds. Method: a definition that stays as it is, events of none.
  asset still /still >defs/a.yaml
  syncline apply -f defs
  for watched in "get asset still -w -o json" "get workers -w -o yaml" "events -w -o json"; do
    # shellcheck disable=SC2086
    timeout 10 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" $watched 3>&- | head -n 1 >first
    [ "${PIPESTATUS[0]}" -eq 0 ]
    [ -s first ]
  done
}

@test "get -w tells what is gone, and not what is only behind newer ones" {
  # Goal: who watches knows what is no longer there, in every format; a full list that moves on loses nothing.
  # Method: assets that are deleted, one that loses its label, one that is deleted and comes back; a limit of one.
  pushed() { asset "pushed-$1" "/pushed/$1" 'went: again' | syncline apply -f -; }
  for name in a b c; do asset "went-$name" "/went/$name" 'went: x'; done >defs/a.yaml
  syncline apply -f defs
  watch_start assets -l went=x -o json
  syncline delete asset/went-a
  eventually 5 jq -se 'any(.name == "went-a" and .deleted and .address == "dir:/went/a")' lines
  asset went-b /went/b | syncline apply -f -
  eventually 5 jq -se 'any(.name == "went-b" and .deleted)' lines
  [ "$(jq -s 'map(select(.deleted)) | length' lines)" -eq 2 ]
  watch_end
  for format in table name; do
    watch_start asset went-c -o "$format"
    syncline delete asset/went-c
    eventually 5 grep -qx 'asset/went-c deleted' lines
    asset went-c /went/c 'went: x' | syncline apply -f -
    eventually 5 eval '[[ $(tail -n 1 lines) != *deleted ]]'
    watch_end
  done
  watch_start assets -l went -o yaml
  syncline delete asset/went-c
  eventually 5 grep -qx '# asset/went-c deleted' lines
  watch_end
  pushed 1
  watch_start assets -l went=again --limit 1 -o name
  pushed 2
  eventually 5 grep -qx 'asset/pushed-2' lines
  syncline delete asset/pushed-2
  eventually 5 grep -qx 'asset/pushed-2 deleted' lines
  [ "$(paste -sd, lines)" = 'asset/pushed-1,asset/pushed-2,asset/pushed-2 deleted,asset/pushed-1' ]
  watch_end
}

@test "jobs are selected by the labels of their synchronization, workers by what they are; both are YAML, too" {
  # Goal: -l and -o yaml mean the same for every kind. Method: two synchronizations of which one has a label; roles; lines
  # of the YAML.
  { asset lab-src /lab/src; asset lab-one /lab/1; asset lab-two /lab/2; } >defs/a.yaml
  sync lab-a lab-src lab-one '' 'team: media' >>defs/a.yaml
  sync lab-b lab-src lab-two >>defs/a.yaml
  syncline apply -f defs
  for name in lab-a lab-b lab-a; do run -7 syncline run "$name" --wait; done
  [ "$(syncline get jobs -l team=media -o name | paste -sd' ')" = 'job/lab-a-2 job/lab-a-1' ]
  [ "$(syncline get jobs -l team=media --limit 1 -o name)" = job/lab-a-2 ]
  [ "$(syncline get jobs -l '!team' -o json | jq -r '.items[] | select(.synchronization | startswith("lab-")) | .name')" = \
    lab-b-1 ]
  [ "$(syncline get job lab-a-1 -o json | jq -c .labels)" = '{"team":"media"}' ]
  [ "$(syncline get workers -l role=mover -o json | jq -r '.items[].role')" = mover ]
  [ "$(syncline get workers -l 'role in (watcher,verifier)' -o name | wc -l)" -eq 2 ]
  [ "$(syncline get workers --limit 1 -o name | wc -l)" -eq 1 ]
  run -0 --separate-stderr syncline get workers -l role=none
  [[ -z $output && $stderr == *'no workers with such labels'* ]]
  syncline get jobs -l team -o yaml >jobs.yaml
  [ "$(grep -E '^(---|name: .*|labels:|  team: .*)$' jobs.yaml | paste -sd,)" = \
    'name: lab-a-2,labels:,  team: media,---,name: lab-a-1,labels:,  team: media' ]
  [ "$(syncline get workers -o yaml | grep -c '^role: ')" -eq 3 ]
  [ "$(syncline worker list -o yaml | grep -c '^---$')" -eq 2 ]
}

@test "workers are listed while Postgres is away" {
  # Goal: who works is known from Redis alone; without Redis it is exit code 4. Method: each stands still in its turn.
  local postgres redis
  postgres=$(stack_pid postgres-1)
  redis=$(stack_pid redis-1)
  kill -STOP "$postgres"
  run -0 timeout 5 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" get workers -l role=mover -o name
  [[ $output == worker/* ]]
  run -0 timeout 5 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" worker list
  says watcher
  kill -CONT "$postgres"
  kill -STOP "$redis"
  run -4 timeout 5 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" get workers
  kill -CONT "$redis"
}

@test "what is referred to is not deleted, and one fault deletes nothing" {
  # Goal: deleting is all or nothing, and says by what something is used; no file is touched.
  # Method: in the wrong order, together with what is not there, in the right order, by file.
  pair gone >defs/gone.yaml
  touch gone-dst/kept
  syncline apply -f defs
  run -5 syncline delete asset/gone-dst
  says "asset/gone-dst is used by a synchronization: gone"
  says "next: syncline delete sync/gone"
  run -3 syncline delete sync/gone asset/gnoe-src
  says "did you mean gone-src?"
  is_defined sync gone
  run -0 syncline delete asset/gone-src sync/gone
  [ "$output" = "asset/gone-src deleted
sync/gone deleted" ]
  run -3 syncline delete -f defs
  is_defined asset gone-dst
  syncline apply -f defs
  run -0 syncline delete -f defs
  run -3 syncline get asset gone-dst
  [ -e gone-dst/kept ]
  run -2 syncline delete job/x
  run -2 syncline delete gone
  run -2 syncline delete
}

@test "an active job is not pulled away from below" {
  # Goal: delete, and another path, are refused with exit code 5 while a job runs, and say what to type.
  # Method: a job that is slow by its reads; afterwards the same is done.
  seed_use
  tree_make busy-src 400
  mkdir busy-dst
  sync_define busy "fault:delay_ms=25;dir:$DIR/busy-src" "$DIR/busy-dst"
  job_start busy
  eventually 20 job_has busy "phase = 'Running'"
  run -5 syncline delete sync/busy
  says "its job busy-1 is active"
  says "syncline cancel busy-1"
  asset busy-dst "$DIR/elsewhere" >defs/moved.yaml
  run -5 syncline apply -f defs
  says "asset/busy-dst: its path cannot change while job busy-1 is active; nothing was applied"
  run -0 syncline set busy limits.lanes=2
  says "busy-1 is active: it takes the new limits"
  run -0 syncline set busy compare=checksum
  says "keeps all else that it was started with"
  syncline cancel busy-1
  job_wait busy || [ $? -eq 9 ]
  run -0 --separate-stderr syncline apply -f defs
  [ "$output" = "asset/busy-dst configured" ]
  [[ $stderr == *"another path"*forgotten* ]]
  run -0 syncline delete sync/busy asset/busy-dst asset/busy-src
}

@test "set changes one field where it is, and only to what apply would take" {
  # Goal: limits and options without a file; a slip, a contradiction and a missing asset change nothing.
  # Method: what is in the definition afterwards.
  pair tune >defs/tune.yaml
  syncline apply -f defs
  run -0 syncline set tune limits.bandwidth=10MiB/s limits.lanes=3 compare=checksum
  [ "$output" = "sync/tune configured" ]
  spec() { syncline get sync tune -o json | jq -c .spec.limits; }
  [ "$(spec)" = '{"lanes":3,"bandwidth":"10MiB/s"}' ]
  run -0 syncline set tune limits.lanes=3
  [ "$output" = "sync/tune unchanged" ]
  run -2 syncline set tune limits.lnaes=4
  says "did you mean 'limits.lanes'?"
  run -2 syncline set tune limits.lanes=4 retry.backoff=10m
  says "retry.maxBackoff"
  run -2 syncline set tune destination=tune-dts
  says "did you mean tune-dst?"
  run -2 syncline set tune limits.lanes
  run -3 syncline set tnue limits.lanes=4
  says "did you mean tune?"
  [ "$(spec)" = '{"lanes":3,"bandwidth":"10MiB/s"}' ]
  run -0 syncline set tune limits.lanes= limits.bandwidth=
  [ "$(spec)" = null ]
}

@test "what was defined runs, and describe tells how it stands" {
  # Goal: from a file to a proven copy; state, reasons, what refers to it, jobs and the next command are told.
  # Method: describe before, after a run, after one that failed.
  pair work >defs/work.yaml
  seed_use
  tree_make work-src 60
  syncline apply -f defs
  run -0 syncline describe sync/work
  says "last success     never"
  says "next: syncline run work --wait"
  run -0 syncline run work --wait
  trees_equal work-src work-dst
  no_leftovers work-dst
  run -0 syncline describe sync/work
  says "work-src, dir:$DIR/work-src"
  says "work-1, Succeeded at"
  says "Applied sync/work created"
  run -0 syncline describe job/work-1
  says "sync/work"
  says "0 failed"
  says "next: syncline report work-1"
  run -0 syncline describe asset/work-dst
  says "used by          work (destination)"
  says "Ready since"
  says "next: syncline describe sync/work"
  rm -r work-src
  run -7 syncline run work --wait
  run -0 syncline describe job/work-2
  says SourceMissing
  says "next: syncline run work --wait"
  run -0 syncline describe sync/work
  says "next: syncline describe"
  run -3 syncline describe sync/wrok
  says "did you mean work?"
  run -3 syncline describe job/work-9
  run -2 syncline describe work
  run -2 syncline describe worker/x
}

@test "describe names the workers that have a job's work" {
  # Goal: who holds it up can be asked while it runs, and that killing is safe is said.
  # Method: a job that is slow by its reads.
  seed_use
  tree_make held-src 400
  mkdir held-dst
  sync_define held "fault:delay_ms=25;dir:$DIR/held-src" "$DIR/held-dst"
  job_start held
  has_batches() { syncline describe job/held-1 | grep -q 'mover-1\|verifier-1'; }
  eventually 20 has_batches
  run -0 syncline describe job/held-1
  says "may be killed at any time"
  says "next: syncline wait held-1, or syncline cancel held-1"
  syncline cancel held-1
  job_wait held || [ $? -eq 9 ]
}

@test "what nobody refers to is said, and events tell what was defined" {
  # Goal: an asset without users has a next command; the truth says when what was changed.
  # Method: describe; v_events.
  asset alone /alone >defs/a.yaml
  syncline apply -f defs
  run -0 syncline describe asset/alone
  says "nothing uses it"
  says "syncline delete asset/alone"
  syncline delete asset/alone
  [ "$(stack_psql -c "SELECT string_agg(kind || ' ' || message, ', ' ORDER BY id) FROM v_events
    WHERE message LIKE 'asset/alone %'")" = "Applied asset/alone created, Deleted asset/alone deleted" ]
  run -3 syncline describe asset/alone
}

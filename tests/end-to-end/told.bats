#!/usr/bin/env bats
# What the command says of jobs, and which exit code it gives: dry runs, removals that are held, verifications, filters.
# The line is not asked: a database without a planner, in which rows written by hand stand for what it would have done.

load ../harness/stack

setup() { stack_setup; }
teardown() {
  unset SYNCLINE_DATABASE_URL SYNCLINE_REDIS_URL
  stack_teardown
}

# ledger_up: an empty ledger that no planner works on, and in it the synchronization `s`
ledger_up() {
  syncline up -q
  stack_psql -c 'CREATE DATABASE idle'
  export SYNCLINE_DATABASE_URL="host=$STACK/run dbname=idle user=syncline" STACK_DATABASE=idle
  syncline -q admin migrate
  stack_psql <<'SQL'
INSERT INTO asset (name, spec, address) VALUES ('s-src', '{}', 'dir:/a'), ('s-dst', '{}', 'dir:/b');
INSERT INTO synchronization (name, kind, source, destination, spec)
  SELECT 's', 'Synchronization', a.id, b.id, '{"filters": ["+ /keep/*.tmp", "- *.tmp", "- cache/"]}'
    FROM asset a, asset b WHERE a.name = 's-src' AND b.name = 's-dst';
SQL
}

# job_ends SQL: what the line would do to the job $JOB when it is there; in the background
job_ends() {
  (
    eventually 10 job_is_there
    stack_psql -v job="$JOB" <<<"$1"
    stack_psql -c "SELECT pg_notify('syncline_job', '$JOB')" >/dev/null
  ) >&2 3>&- &
  STACK_STARTED+=($!)
}
job_is_there() { [[ $(stack_psql -c "SELECT count(*) FROM job WHERE name = '$JOB'") == 1 ]]; }

# item PATH OPERATION OUTCOME [CODE MESSAGE]: a row of table item
item() {
  printf "INSERT INTO item (job, key, shard, path, kind, operation, outcome, size, code, message)
    SELECT id, gen_random_uuid(), 0, convert_to('%s', 'UTF8'), 'file', '%s', '%s', 7, nullif('%s', ''), nullif('%s', '')
      FROM job WHERE name = :'job';\n" "$1" "$2" "$3" "${4:-}" "${5:-}"
}
ended() { echo "UPDATE job SET phase = '$1', message = nullif('${2:-}', ''), scanned = 9, finished_at = now()
  WHERE name = :'job';"; }

# told CODE ARGUMENT...: the command ends with CODE; what it says is in out and err
told() {
  local expected=$1 code=0
  shift
  syncline "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || code=$?
  ((code == expected)) || { echo "exit code $code, not $expected: $*" >&2; cat "$WORK/out" "$WORK/err" >&2; return 1; }
}
is() { diff <(printf '%s\n' "${@:2}") "$WORK/$1" >&2; }
says() { grep -qF -- "$2" "$WORK/$1" || { echo "$1 does not say: $2" >&2; cat "$WORK/$1" >&2; return 1; }; }

@test "options that cannot be are refused before anything is started" {
  # Goal: exit code 2, what is wrong, the next command, and no stack.
  # Method: each, on a state directory where nothing is up.
  mkdir "$WORK/a" "$WORK/b"
  while IFS='|' read -r arguments words; do
    # shellcheck disable=SC2086
    told 2 $arguments
    says err "$words"
    says err '  next: syncline'
    [[ ! -s $WORK/out ]]
  done <<LIST
sync $WORK/a $WORK/b --max-delete 5|--max-delete goes with --delete
sync $WORK/a $WORK/b --delete --max-delete 101%|--max-delete wants a number
sync $WORK/a $WORK/b --exit-code|--exit-code goes with --dry-run
sync $WORK/a $WORK/b --exclude a --include [b|--include: filter rule "+ [b", position 3
sync $WORK/a $WORK/b --preserve mode,onwer|did you mean owner?
sync $WORK/a $WORK/b --durability fast|--durability is standard or strict
sync $WORK/a $WORK/b --hash md5|--hash is
verify|verify wants one name
verify a --wait --no-wait|not both
approve|approve wants one name
approve a b|approve wants one name
report a --only=extra|--only is failed, moved, removed or verify
filter test a|paths
filter test a ../b|no path below the root
filter test a b --exclude \\|a backslash with nothing behind it
filter|syncline filter test
LIST
  [[ ! -e $STACK ]]
}

@test "filter test names the rule that decides" {
  # Goal: each path is taken or skipped by the rule that a scan would use; nothing is written.
  # Method: the stored rules; rules in front of them; a name that is not there, a pattern that is none.
  ledger_up
  told 0 filter test s a keep/x.tmp x.tmp cache cache/ cache/x/y a/cache/keep/x.tmp
  is out 'take  a  no rule matches' \
    'take  keep/x.tmp  rule 1: "+ /keep/*.tmp"' \
    'skip  x.tmp  rule 2: "- *.tmp"' \
    'take  cache  no rule matches' \
    'skip  cache/  rule 3: "- cache/"' \
    'skip  cache/x/y  rule 3: "- cache/" matches cache' \
    'skip  a/cache/keep/x.tmp  rule 3: "- cache/" matches a/cache'
  told 0 filter test --include x.tmp --exclude=/a s x.tmp a b/a
  is out 'take  x.tmp  rule 1: "+ x.tmp"' 'skip  a  rule 2: "- /a"' 'take  b/a  no rule matches'
  told 3 filter test none a
  says err 'next: syncline get syncs --all'
  told 2 filter test s a --exclude '['
  [[ $(stack_psql -c 'SELECT count(*) FROM job') == 0 ]]
}

@test "a dry run prints a line for each item" {
  # Goal: sorted lines on stdout, the summary on stderr, exit codes as asked for.
  # Method: items of each kind, one with a name that would steer a terminal; with and without flags.
  ledger_up
  JOB=s-1
  job_ends "$(item b/c link planned; item a put planned; item $'b/\e[1m' attributes planned; item z remove planned
    item b directory planned; item n refuse failed UnsupportedKind 'a socket'; ended CompletedWithErrors)"
  told 6 run s -n --wait
  is out 'put a' 'directory b' 'attributes b/\x1b[1m' 'link b/c' 'refuse n: UnsupportedKind: a socket' 'remove z'
  says err '9 scanned, 0 unchanged, 6 differences'
  [[ $(stack_psql -c "SELECT spec->'run'->>'dryRun' FROM job") == true ]]
  told 0 report s-1 --only=removed -o json
  [[ $(jq -c '[.path, .operation, .outcome]' "$WORK/out") == '["z","remove","planned"]' ]]
  JOB=s-2
  job_ends "$(item a put planned; ended Succeeded 'the guard would hold it')"
  told 0 run s -n --wait --json
  [[ $(jq -r .phase "$WORK/out") == Succeeded ]]
  says err 'the guard would hold it'
  # through sync: its flags are its spec, a destination that it made is gone again
  mkdir "$WORK/a"
  for flags in '-n' '-n --exit-code' '-n --exit-code --json'; do
    SYNC=$(stack_psql -c "SELECT coalesce(max(number), 0) + 1 FROM job WHERE name LIKE 'sync-%'")
    (
      eventually 10 sync_is_there
      stack_psql -v job="$(sync_name)" <<<"$(item a put planned; ended Succeeded)"
    ) >&2 3>&- &
    STACK_STARTED+=($!)
    code=1
    [[ $flags == *exit-code* ]] || code=0
    # shellcheck disable=SC2086
    told "$code" sync "$WORK/a" "$WORK/new" $flags --delete --max-delete=10% --exclude '*.o' --include /x --checksum
    [[ ! -e $WORK/new ]]
  done
  [[ $(jq -r .phase "$WORK/out") == Succeeded ]]
  [[ $(stack_psql -c "SELECT spec FROM job ORDER BY id DESC LIMIT 1" | jq -cS .) == '{"compare":"checksum","delete":{"enabled":true,"max":"10%"},"filters":["- *.o","+ /x"],"run":{"dryRun":true}}' ]]
  [[ $(stack_psql -c "SELECT spec ? 'run' FROM synchronization WHERE name LIKE 'sync-%'") == f ]]
}
sync_name() { stack_psql -c "SELECT name FROM job WHERE name LIKE 'sync-%' AND number = $SYNC"; }
sync_is_there() { [[ -n $(sync_name) ]]; }

@test "a job that is held says what it would remove, and how to let it" {
  # Goal: exit code 8, the numbers and a sample, two commands; report lists it; approve queues it again, once.
  # Method: pending rows by hand; afterwards a later job takes the place of another held one.
  ledger_up
  JOB=s-1
  held="would remove 2 of 10 entries at the destination (limit 10%), such as \"gone\", \"gone/x\""
  rows="INSERT INTO pending (job, key, shard, path, parent, depth, operation, kind, size, mtime_ns, device, inode, there_inode,
      there_links, there_ctime_ns, differs, waits, outcome)
    SELECT id, gen_random_uuid(), 0, convert_to(path, 'UTF8'), gen_random_uuid(), 1, operation, 'file', 5, 0, 0, 0, 1, 1, 1, true,
      operation = 'put', outcome
      FROM job, (VALUES ('gone/x', 'remove', NULL), ('gone', 'remove', NULL), ('way', 'put', NULL),
        ('done', 'link', 'linked'::item_outcome)) AS r(path, operation, outcome) WHERE name = :'job';
    UPDATE job SET reason = 'RemovalHeld', not_kept = '{\"OwnerNotKept\": 12, \"XattrNotKept\": 1}' WHERE name = :'job';"
  job_ends "$rows $(ended Held "$held; look: syncline report s-1 --only=removed; do it: syncline approve s-1")"
  told 8 run s --wait
  says out 's-1: Held'
  is err 'not kept: extended attributes of 1 object: extended attributes could not be set at the destination' \
    'not kept: owner of 12 objects: the owner cannot be set without privilege' \
    "syncline: s-1 Held: $held" '  next: syncline report s-1 --only=removed' '  next: syncline approve s-1'
  told 8 wait s --json
  [[ $(jq -c '[.reason, .notKept, .supersededBy]' "$WORK/out") == '["RemovalHeld",{"OwnerNotKept":12,"XattrNotKept":1},null]' ]]
  told 0 report s-1 --only=removed -o json
  [[ $(jq -r '.operation + " " + .path + " " + .outcome' "$WORK/out") == $'remove gone planned\nremove gone/x planned\nremove way planned' ]]
  told 0 approve s-1
  says err 'next: syncline wait s-1'
  [[ $(stack_psql -c "SELECT phase, approved FROM job") == 'Queued|t' ]]
  JOB=s-1
  job_ends "DELETE FROM pending; UPDATE job SET removed = 2 WHERE name = :'job';
    $(item gone remove removed; item gone/x remove kept Changed 'it is another object now'; ended Succeeded)"
  told 0 approve s-1 --wait
  says out '2 removed'
  told 2 approve s-1
  says err 's-1 was approved before, and is Succeeded'
  told 0 report s-1 --only=removed
  says out 'Changed: it is another object now'
  told 2 approve s-1 --jsno
  told 3 approve none-1
  # superseded
  stack_psql -c "UPDATE job SET phase = 'Held', approved = false, superseded_by = 's-2'"
  told 7 approve s-1
  says err 's-2'
  told 8 wait s-1
  says err 's-2 has taken its place'
}

@test "a verification tells what does not match, and whether that was repaired" {
  # Goal: exit code 11 for what is rotten, drifted or missing and was not put again; 0 otherwise.
  # Method: items and counters by hand, then the same with some, and with all of it put again.
  ledger_up
  JOB=s-1
  found="$(item a verify rotten; item b verify drifted; item c verify missing; item d verify extra)
    UPDATE job SET mismatched = 3, extra = 1, proven = 7 WHERE name = :'job';"
  again="UPDATE item i SET operation = 'repair', message = 'was ' || i.outcome, outcome = 'moved' FROM job j
    WHERE i.job = j.id AND j.name = :'job' AND i.outcome <> 'extra'"
  job_ends "$found $(ended CompletedWithErrors)"
  told 11 verify s
  says out rotten
  says err '7 proven, 1 rotten, 1 drifted, 1 missing, 1 extra'
  says err 'next: syncline verify s --repair'
  told 0 report s-1 --only=verify -o json
  [[ $(jq -c '[.path, .outcome]' "$WORK/out" | tr -d '\n') == '["a","rotten"]["b","drifted"]["c","missing"]["d","extra"]' ]]
  JOB=s-2
  job_ends "$found $again AND path <> 'b'; UPDATE job SET moved = 2 WHERE name = :'job'; $(ended CompletedWithErrors)"
  told 11 verify s --repair --json
  [[ $(jq -r .name "$WORK/out") == s-2 ]]
  [[ $(stack_psql -c "SELECT spec->'run' FROM job WHERE name = 's-2'" | jq -cS .) == '{"repair":true,"verify":true}' ]]
  JOB=s-3
  job_ends "$found $again; UPDATE job SET moved = 3 WHERE name = :'job'; $(ended Succeeded)"
  told 0 verify s --repair
  says out 'was missing'
  says err '7 proven, 1 rotten, 1 drifted, 1 missing, 1 extra, 3 repaired'
  told 0 verify s --no-wait
  is out s-4
  told 5 verify s
  says err 'syncline wait s-4'
  stack_psql -v job=s-4 <<<"$(ended Failed)"
  JOB=s-5
  job_ends "$(ended Succeeded)"
  told 0 verify s
  [[ ! -s $WORK/out ]]
  told 3 verify none
}

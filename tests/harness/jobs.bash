# jobs.bash: what suites of whole jobs ask, beside stack.bash: trees, their comparison, jobs with assets of any
# driver, and the sums that must come out.

# seed_use: random numbers from SEED, which is said so that a failure can be had again
seed_use() {
  SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
  RANDOM=$SEED
  echo "# SEED=$SEED ($BATS_TEST_DESCRIPTION)" >&3
}

# ---- trees ----

# real_tree MOST PATH…: the first of them that is a tree of this machine, of 50 to MOST entries
real_tree() {
  local most=$1 path count
  shift
  for path in "$@"; do
    [[ -d $path ]] || continue
    count=$(find "$path" -xdev 2>/dev/null | wc -l)
    ((count >= 50 && count <= most)) || continue
    echo "$path"
    return
  done
  echo "none of these is a tree of 50 to $most entries: $*" >&2
  return 1
}

# tree_make DIRECTORY FILES [DIRECTORIES]: files of 0 to 40,000 bytes of text, the same for the same RANDOM
tree_make() {
  local -
  set +T # in what is called from here, bats does not look at each command: that takes most of the time
  tree_fill "$@"
}
tree_fill() {
  local root=$1 files=$2 directories=${3:-20} i size
  mkdir -p "$root"
  for ((i = 0; i < directories; i++)); do mkdir -p "$root/d$((i % 5))/e$i"; done
  for ((i = 0; i < files; i++)); do
    size=$((RANDOM % 8 == 0 ? RANDOM : RANDOM % 2000))
    printf "%0${size}d %d\n" "$i" "$RANDOM" >"$root/d$((i % directories % 5))/e$((i % directories))/f$i"
  done
  ln -s f0 "$root/d0/e0/link"
}

# tree_entries DIRECTORY, tree_bytes DIRECTORY: all below it; the content of its files and symlinks
tree_entries() { find "$1" -mindepth 1 -printf x | wc -c; }
tree_bytes() { find "$1" -type f -printf "%s\n" -o -type l -printf '%s\n' | awk '{ s += $1 } END { printf "%d\n", s }'; }

# tree_marks DIRECTORY: what every write would change
tree_marks() { find "$1" -printf '%p %i %C@ %T@\n' | LC_ALL=C sort; }

# tree_list DIRECTORY: all that Syncline keeps but for content, with nanoseconds, one entry a line
tree_list() {
  local owner='%U:%G '
  [[ $EUID -eq 0 && -z ${TREE_OWNERS_DIFFER:-} ]] || owner=
  (cd "$1" && find . -printf "%y %m $owner%T@ %l %p\0" | LC_ALL=C sort -z | sed -z 's/\n/\\n/g' | tr '\0' '\n')
}

# same_tree SRC DST [rsync options]: rsync, which reads both, and a listing with nanoseconds see no difference
same_tree() {
  local source=$1 destination=$2 differences more=()
  [[ $EUID -eq 0 && -z ${TREE_OWNERS_DIFFER:-} ]] || more=(--no-owner --no-group)
  shift 2
  differences=$(rsync -naic --delete "${more[@]}" "$@" "$source/" "$destination/") || return 1
  [[ -n $differences ]] || differences=$(diff <(tree_list "$source") <(tree_list "$destination"))
  [[ -z $differences ]] || { printf 'trees differ:\n%s\n' "$differences" | head -n 40 >&2; return 1; }
  no_leftovers "$destination"
}

# ---- what is typed ----

# asked ARGS…: the exit code of the command; what it said is in WORK/out and WORK/err
asked() {
  local code=0
  syncline "$@" >"$WORK/out" 2>"$WORK/err" || code=$?
  return "$code"
}
# says TEXT: on stderr, when it was asked last
says() { grep -qF -- "$1" "$WORK/err" || { echo "not said: $1" >&2; cat "$WORK/err" >&2; return 1; }; }

# ---- jobs ----

# sync_define NAME SOURCE DESTINATION: a synchronization of two addresses of any driver, such as
# "fault:delay_ms=5;dir:/x". A path means dir:.
sync_define() {
  local source=$2 destination=$3
  [[ $source != /* ]] || source=dir:$source
  [[ $destination != /* ]] || destination=dir:$destination
  stack_psql -v name="$1" -v source="$source" -v destination="$destination" <<'SQL'
    INSERT INTO asset (name, spec, address)
      VALUES (:'name' || '-src', '{}', :'source'), (:'name' || '-dst', '{}', :'destination');
    INSERT INTO synchronization (name, kind, source, destination)
      SELECT :'name', 'Synchronization', a.id, b.id FROM asset a, asset b
       WHERE a.name = :'name' || '-src' AND b.name = :'name' || '-dst';
SQL
}

# job_insert NAME RUN: a job as the command would never insert it
job_insert() {
  stack_psql -v name="$1" -v run="$2" <<'SQL'
    WITH s AS (UPDATE synchronization SET next_number = next_number + 1 WHERE name = :'name' RETURNING *)
    INSERT INTO job (name, synchronization, number, spec, source_address, destination_address, destination_asset)
      SELECT s.name || '-' || s.next_number - 1, s.id, s.next_number - 1,
             s.spec || jsonb_build_object('run', :'run'::jsonb), a.address, b.address, b.id
        FROM s JOIN asset a ON a.id = s.source JOIN asset b ON b.id = s.destination;
    NOTIFY syncline_jobs;
SQL
}

# job_start NAME: runs it in the background; its JSON goes to WORK/NAME.json. JOB_WAITER is who waits for it.
job_start() {
  "$SYNCLINE_BIN/syncline" --state-dir "$STACK" run "$1" --wait --json --progress=none \
    >"$WORK/$1.json" 2>"$WORK/$1.err" 3>&- &
  JOB_WAITER=$!
  STACK_STARTED+=("$JOB_WAITER")
}

# job_wait NAME: its end; the exit code of the command
job_wait() {
  local code=0
  wait "$JOB_WAITER" || code=$?
  ((code == 0)) || cat "$WORK/$1.json" "$WORK/$1.err" >&2
  return "$code"
}

# job_run NAME: from start to end
job_run() { job_start "$1" && job_wait "$1"; }

is_running() { [[ -d /proc/$1 ]] && ! is_gone "$1"; }

# sql_is EXPECTED QUERY: for `eventually`; Postgres may be away
sql_is() { [[ $(stack_psql -c "$2" 2>/dev/null) == "$1" ]]; }
sql_true() { sql_is t "SELECT ($1)"; }

# job_has NAME CONDITION: of the latest job of this synchronization, a condition on v_jobs
job_has() {
  sql_is t "SELECT $2 FROM v_jobs WHERE synchronization = '$1' ORDER BY id DESC LIMIT 1"
}

# view_has NAME FIELD LEAST: the number that Redis shows of the latest job of NAME is at least that
view_has() {
  local job value
  job=$(stack_psql -c "SELECT name FROM v_jobs WHERE synchronization = '$1' ORDER BY id DESC LIMIT 1" 2>/dev/null)
  value=$(stack_redis HGET "syncline:job:$job" "$2" 2>/dev/null)
  [[ $value =~ ^[0-9]+$ ]] && ((value >= $3))
}

# adds_up FILE: the sums of a job's JSON: each item was counted once
adds_up() {
  jq -e '.counters | .scanned == .unchanged + .found and
    .found == .moved + .linked + .attributes + .changed + .vanished + .failed and
    ([.[] | select(. < 0)] | length) == 0' "$1" >/dev/null || { cat "$1" >&2; return 1; }
}

# is_whole FILE SOURCE: a job that carried all of a tree to an empty place: Succeeded, and everything counted once
is_whole() {
  adds_up "$1" || return 1
  jq -e --argjson entries "$(tree_entries "$2")" --argjson bytes "$(tree_bytes "$2")" '
    .phase == "Succeeded" and .scanComplete and .counters.scanned == $entries and
    .counters.moved + .counters.attributes == $entries and .counters.failed == 0 and
    .counters.bytesMoved == $bytes and .counters.extra == 0' "$1" >/dev/null ||
    { echo "entries $(tree_entries "$2"), bytes $(tree_bytes "$2"):" >&2; cat "$1" >&2; return 1; }
}

# ledger_is_true NAME DESTINATION: the ledger has each file of the destination, with the checksum of what is there
ledger_is_true() {
  diff <(stack_psql -F '  ' -c "SELECT checksum, path FROM v_objects
                                 WHERE asset = '$1-dst' AND kind = 'file'" | LC_ALL=C sort) \
    <(cd "$2" && find . -type f -printf '%P\0' | xargs -0 "$SYNCLINE_BIN/syncline" hash | LC_ALL=C sort) |
    head -n 20 >"$WORK/ledger"
  [[ ! -s $WORK/ledger ]] || { echo "ledger and destination differ:" >&2; cat "$WORK/ledger" >&2; return 1; }
}

# worker_says ROLE-N FIELD: of this process, as Redis shows it; nothing if it is not there
worker_says() {
  local pid id
  pid=$(stack_pid "$1")
  for id in $(stack_redis --raw SMEMBERS syncline:workers); do
    [[ $(stack_redis --raw HGET "syncline:worker:$id" pid) == "$pid" ]] || continue
    stack_redis --raw HGET "syncline:worker:$id" "$2"
  done
}
has_done() { (($(worker_says "$1" "done") + 0 >= $2)); }
is_idle() { [[ $(worker_says "$1" busy) == 0 ]]; }

is_stopped() { [[ $(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) == [tT] ]]; }

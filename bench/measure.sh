# shellcheck shell=bash disable=SC2154
# measure.sh: wall time, processor time and memory, as lines of JSON in $work/samples. Sourced by run.
#
# Processor time of a tool is that of its process and children; of Syncline also what the processes
# of its stack used meanwhile, each with what it started. `others` is what the rest of the machine
# used, in cores: above a few tenths the wall times are worth little, the processor times still much.

TICKS=$(getconf CLK_TCK)

# "name pid" of each process of the stack.
stack_pids() {
    [[ $stack_is_up ]] || return 0
    jq -r '"supervisor \(.supervisor.pid)", (.processes[] | "\(.name) \(.pid)")' \
        "$work/state/stack.json"
}

# "name ticks" of each process of the stack; what it started counts for it.
stack_ticks() {
    { stack_pids; echo; cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk '
        NF == 0 { stat = 1; next }
        !stat   { name[$2] = $1; total[$1] = 0; next }
        {
            pid = $1; sub(/^.*\) /, "")
            parent[pid] = $2; used[pid] = $12 + $13 + $14 + $15
        }
        END {
            for (pid in used) {
                for (at = pid; at > 1 && !(at in name); at = parent[at]);
                if (at in name) total[name[at]] += used[pid]
            }
            for (n in total) print n, total[n]
        }'
}

# Ticks that all processors were busy since the machine started.
busy_ticks() { awk '/^cpu /{ print $2 + $3 + $4 + $7 + $8; exit }' /proc/stat; }

# Waits until others use less than a third of one processor, at most QUIET seconds before each
# measurement: for machines that are not ours alone.
wait_for_quiet() {
    local until=$((SECONDS + ${QUIET:-0})) busy
    while ((SECONDS < until)); do
        busy=$(busy_ticks)
        sleep 0.3
        if (((($(busy_ticks) - busy) * 10) < TICKS)); then break; fi
    done
}

measure() { # CASE TOOL ROUND COMMAND…
    local before after busy times TIMEFORMAT='%R %U %S'
    wait_for_quiet
    before=$(stack_ticks)
    busy=$(busy_ticks)
    echo "== $*" >>"$work/log"
    { time "${@:4}" >>"$work/log" 2>&1 || echo failed >"$work/failed"; } 2>"$work/time"
    busy=$(($(busy_ticks) - busy))
    [[ ! -e $work/failed ]] || die "$1: $2 failed: $(tail -n 3 "$work/log")"
    times=$(cat "$work/time")
    after=$(stack_ticks)
    jq -nc --arg case "$1" --arg tool "$2" --argjson round "$3" --arg times "$times" \
        --arg before "$before" --arg after "$after" --argjson busy "$busy" \
        --argjson hz "$TICKS" --argjson cores "$(nproc)" -f "$here/sample.jq" |
        tee -a "$work/samples" |
        jq -r '"bench: \(.case) \(.round) \(.tool): \(.seconds) s, processor \(.cpu) s, others \(.others)"' >&2
}

# Peak resident memory of each process of the stack counts from here.
memory_reset() {
    local name pid
    while read -r name pid; do
        echo 5 >"/proc/$pid/clear_refs" || say "$name: its peak counts from its start"
    done < <(stack_pids) 2>/dev/null
}

memory_note() { # CASE
    local name pid peak
    while read -r name pid; do
        peak=$(awk '/^VmHWM/{ print $2 }' "/proc/$pid/status" 2>/dev/null) || continue
        jq -nc --arg case "$1" --arg process "$name" --argjson kib "$peak" \
            '{case: $case, process: $process, peak_mib: ($kib / 102.4 | round / 10)}' \
            >>"$work/samples"
    done < <(stack_pids)
}

version_of() { "$@" 2>/dev/null | head -n 1 || true; }

# One JSON object that says where the figures come from.
machine() {
    jq -n --arg when "$(date -u +%Y-%m-%dT%H:%M:%SZ)" --arg cores "$(nproc)" \
        --arg model "$(awk -F': ' '/^model name/{ print $2; exit }' /proc/cpuinfo)" \
        --arg kernel "$(uname -r)" --arg filesystem "$(stat -f -c %T "$work")" \
        --arg load "$(cut -d' ' -f1-3 /proc/loadavg)" --arg rsync "$(version_of rsync --version)" \
        --arg postgres "$(version_of psql --version)" \
        --arg redis "$(version_of redis-cli --version)" \
        --arg commit "$(git -C "$here" describe --always --dirty 2>/dev/null || true)" \
        --arg rounds "$ROUNDS" --arg scale "$SCALE" --arg stack "${STACK:-}" \
        'def word(pattern): [capture(pattern; "g")][0].v // "not found";
         {when: $when, cores: $cores, model: $model, kernel: $kernel, filesystem: $filesystem,
          load: $load, rsync: ($rsync | word("version (?<v>[0-9.]+)")),
          postgres: ($postgres | word("(?<v>[0-9]+[0-9.]+)")),
          redis: ($redis | word("(?<v>[0-9]+[0-9.]+)")), syncline: $commit, rounds: $rounds,
          scale: $scale, stack: $stack}'
}

# trees.bash: beside stack.bash and jobs.bash, for suites of odd trees.

: "${TREE_TOOL:=$SYNCLINE_BIN/../tests/tree-tool}"

tree_tool() { "$TREE_TOOL" "$@"; }

# sync_to CODE SRC DST [OPTION...]: syncs and ends with that code; the job's JSON is in WORK/json
sync_to() {
  local expected=$1 code=0
  shift
  syncline sync --json --progress=none "$@" >"$WORK/json" 2>"$WORK/err" || code=$?
  ((code == expected)) || { echo "exit code $code, not $expected" >&2; cat "$WORK/json" "$WORK/err" >&2; return 1; }
}

# counters FIELD=NUMBER...: of the job in WORK/json
counters() {
  local pair
  for pair; do
    [[ $(jq ".counters.${pair%%=*}" "$WORK/json") == "${pair#*=}" ]] ||
      { echo "$pair: $(jq -c .counters "$WORK/json")" >&2; return 1; }
  done
}

job_name() { jq -r .name "$WORK/json"; }

# equal SRC DST [OPTION...]: the other program sees no difference, and nothing of ours is there
equal() {
  local source=$1 destination=$2
  shift 2
  tree_tool compare "$@" "$source" "$destination" >"$WORK/differences" ||
    { echo "trees differ:" >&2; cat "$WORK/differences" >&2; return 1; }
  no_leftovers "$destination"
}

# idle SRC DST [OPTION...]: one more run finds nothing to do and writes nothing at either end
idle() {
  local source=$1 destination=$2 marks
  marks=$(tree_marks "$source" && tree_marks "$destination")
  sync_to 0 "$@"
  counters found=0 removed=0
  [[ $(tree_marks "$source" && tree_marks "$destination") == "$marks" ]] ||
    { echo "a run with nothing to do wrote" >&2; return 1; }
}

# needs_root: skips what an ordinary user cannot make
needs_root() { [[ $EUID -eq 0 ]] || skip "needs root"; }

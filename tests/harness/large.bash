# large.bash: files that go in parts, beside stack.bash, jobs.bash and trees.bash: how they are made, and who carried which part.
#
#   setup() { stack_setup; large_setup; }         # WORK/src and WORK/dst; the planner logs each part

large_setup() {
  export SYNCLINE_LOG_LEVEL=debug # which part came from where is said there
  mkdir "$WORK/src" "$WORK/dst"
}

# large_make FILE [MIB]: data, a hole of 130 MiB, data, a hole, an end that fills no block; other bytes each time
large_make() {
  rm -f "$1"
  tree_tool large "$RANDOM$RANDOM" "$1" "${2:-700}"
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

counter_is() {
  [[ $(jq -r ".counters.$2" "$WORK/$1.json") == "$3" ]] || { cat "$WORK/$1.json" >&2; return 1; }
}

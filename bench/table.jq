# table.jq: the summary as Markdown.
def cell: if . == null then "–" else tostring end;
def row: "| " + (map(cell) | join(" | ")) + " |";
def head: row, (map("---") | row);

(.machine | "\(.cores) cores (\(.model)), Linux \(.kernel), \(.filesystem), rsync \(.rsync), Postgres \(.postgres), Redis \(.redis), Syncline \(.syncline); \(.rounds) rounds, scale \(.scale)\(if .stack != "" then ", up \(.stack)" else "" end), load at the start \(.load); \(.when)"),
"",
(["work", "tool", "median s", "min–max s", "of rsync", "of floor", "processor s", "of rsync", "of floor", "others, cores"] | head),
(.results[] | [.case, .tool, .median, "\(.min)–\(.max)", .to_rsync, .to_floor, .cpu, .cpu_to_rsync, .cpu_to_floor, .others] | row),
(if any(.results[]; .processes) then
  ([.results[].processes // {} | keys] | add | unique) as $names
  | "", "Processor seconds of each process of the stack, and of the command:", "",
    (["work"] + $names | head),
    (.results[] | select(.processes) | . as $r | [$r.case] + [$names[] | $r.processes[.]] | row)
 else empty end),
(if (.memory | length) > 0 then
  ([.memory[].process] | unique) as $names | .memory as $memory
  | "", "Peak resident memory, MiB:", "",
    (["work"] + $names | head),
    ((reduce .memory[].case as $c ([]; if index([$c]) then . else . + [$c] end))[] as $case
     | [$case] + [$names[] as $n | [$memory[] | select(.case == $case and .process == $n).peak_mib][0]] | row)
 else empty end)

# summary.jq: the machine and all samples in; medians and ratios out.
#
# A ratio is the median of the ratios of each round: its two runs were neighbours in time, so what
# the machine did to one it did to the other as well.
def median: sort | if length == 0 then null
            elif length % 2 == 1 then .[length / 2 | floor]
            else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def thousandths: if . == null then null else . * 1000 | round / 1000 end;

def ratio($samples; $case; $tool; $to; field):
  [$samples[] | select(.case == $case and .tool == $tool) as $a
   | $samples[] | select(.case == $case and .tool == $to and .round == $a.round)
   | select(field > 0) | ($a | field) / field] | median | thousandths;

def of($samples; $case; $tool):
  [$samples[] | select(.case == $case and .tool == $tool)] as $mine
  | ($mine | map(.seconds)) as $seconds
  | {case: $case, tool: $tool, rounds: ($mine | length), median: ($seconds | median | thousandths),
     min: ($seconds | min), max: ($seconds | max),
     cpu: ($mine | map(.cpu) | median | thousandths),
     others: ($mine | map(.others) | median | thousandths),
     to_rsync: ratio($samples; $case; $tool; "rsync"; .seconds),
     to_floor: ratio($samples; $case; $tool; "floor"; .seconds),
     cpu_to_rsync: ratio($samples; $case; $tool; "rsync"; .cpu),
     cpu_to_floor: ratio($samples; $case; $tool; "floor"; .cpu)}
  + ($mine | map(.processes // empty)
     | if length > 0 then {processes: (map(to_entries) | add | group_by(.key)
         | map({key: .[0].key, value: (map(.value) | median | thousandths)}) | from_entries)} else {} end);

def in_order(f): reduce (.[] | f) as $x ([]; if index([$x]) then . else . + [$x] end);

.[0] as $machine
| [.[1:][] | select(.tool)] as $samples
| [.[1:][] | select(.process)] as $memory
| {machine: $machine,
   results: [($samples | in_order(.case))[] as $case | ("floor", "rsync", "syncline") as $tool
             | select(any($samples[]; .case == $case and .tool == $tool))
             | of($samples; $case; $tool)],
   memory: $memory, samples: $samples}

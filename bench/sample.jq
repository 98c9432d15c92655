# sample.jq: one measurement, from what `time` and the ticks before and after said.
def ticks: split("\n") | map(split(" ") | select(length == 2) | {(.[0]): (.[1] | tonumber)}) | add // {};
def hundredths: . * 100 | round / 100;

($times | split(" ") | map(tonumber)) as [$wall, $user, $system]
| ($before | ticks) as $was
| (if $tool == "syncline" then $after | ticks | with_entries(.value = (.value - ($was[.key] // 0)) / $hz)
   else {} end) as $processes
| ($user + $system + ($processes | add // 0)) as $cpu
| {case: $case, tool: $tool, round: $round, seconds: $wall, cpu: ($cpu | hundredths),
   others: (if $wall > 0 then [0, ($busy / $hz - $cpu) / $wall] | max | hundredths else 0 end)}
  + if $tool == "syncline" then {processes: ($processes + {command: ($user + $system)}
                                             | with_entries(.value |= hundredths))} else {} end

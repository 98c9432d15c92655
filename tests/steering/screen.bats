#!/usr/bin/env bats
# What people see on a terminal: the whole screen of `status -w`, and the progress bar. A tmux of its own is the
# terminal.

bats_require_minimum_version 1.5.0
load ../harness/stack
load ../harness/jobs

setup() {
  stack_setup
  TERMINAL=$BASE/tmux
}
teardown() {
  tmux -S "$TERMINAL" kill-server 2>/dev/null || true
  stack_teardown
}

# typed COLUMNSxROWS COMMAND: in a shell on a terminal of that size; its exit code is shown when it has ended
typed() {
  local size=$1
  shift
  cat >"$WORK/typed" <<SHELL
echo what was there before
stty -a >$WORK/modes-before
$*
echo "it ended with \$?"
stty -a >$WORK/modes-after
exec sleep 600
SHELL
  TERM=xterm-256color tmux -S "$TERMINAL" -f /dev/null new-session -d -x "${size%x*}" -y "${size#*x}" "bash $WORK/typed" 3>&-
}
screen() { tmux -S "$TERMINAL" capture-pane -p; }
shows() { screen | grep -qE -- "$1"; }
shows_not() { ! shows "$1"; }
# restored: the screen is what it was, and so are the modes of the terminal
restored() {
  shows '^what was there before$' && shows_not '^Syncline' &&
    diff <(sed 's/^.*columns/columns/' "$WORK/modes-before") <(sed 's/^.*columns/columns/' "$WORK/modes-after")
}

@test "status -w shows jobs and workers, follows the size, and gives the terminal back" {
  # Goal: what runs is seen at 80x24 and at 40x10; Redis away is said; q and SIGINT end it, with the screen as it was.
  # Method: a slow job; Redis stopped and continued; the window resized.
  mkdir -p "$WORK/src" "$WORK/dst"
  for i in $(seq 40); do echo "$i" >"$WORK/src/f$i"; done
  syncline up
  sync_define slow "fault:delay_ms=500;dir:$WORK/src" "$WORK/dst"
  job_start slow
  typed 80x24 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" status -w
  eventually 10 shows '^slow-1 +Running'
  eventually 10 shows '^mover-1-[0-9a-f]+ +mover'
  eventually 5 shows '^Postgres up  Redis up  planner up$'
  shows 'q: quit$'
  shows_not '^what was there before'
  tmux -S "$TERMINAL" resize-window -x 40 -y 10
  eventually 5 shows_not 'q: quit'
  eventually 5 shows '^slow-1 +Running'
  [ "$(screen | wc -l)" -le 10 ]
  tmux -S "$TERMINAL" resize-window -x 80 -y 24
  kill -STOP "$(stack_pid redis-1)"
  eventually 10 shows 'Redis AWAY .*what Postgres knows'
  eventually 5 shows '^slow-1 +Running'
  kill -CONT "$(stack_pid redis-1)"
  eventually 10 shows '^mover-1-[0-9a-f]+ +mover'
  tmux -S "$TERMINAL" send-keys q
  eventually 5 shows '^it ended with 0$'
  restored
  tmux -S "$TERMINAL" kill-server
  typed 80x24 NO_COLOR=1 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" status -w
  eventually 10 shows '^slow-1'
  [ "$(tmux -S "$TERMINAL" capture-pane -p -e | grep -c $'\x1b')" = 0 ]
  tmux -S "$TERMINAL" send-keys C-c
  eventually 5 shows '^it ended with 130$'
  restored
  syncline cancel slow-1 --wait
}

@test "status -w goes on while Postgres is away, and wants a terminal" {
  # Goal: jobs stay as last seen, it is said, and they come back; without a terminal it is refused.
  # Method: Postgres ended at once; the supervisor starts it again.
  syncline up
  mkdir -p "$WORK/src" "$WORK/dst"
  sync_define s "$WORK/src" "$WORK/dst"
  syncline run s --wait --progress=none
  typed 80x24 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" status -w
  eventually 10 shows '^s-1 +Succeeded'
  kill -STOP "$(stack_pid supervisor)"
  postgres=$(stack_pid postgres-1)
  kill -INT "$postgres"
  eventually 20 is_gone "$postgres"
  eventually 10 shows 'Postgres AWAY .*jobs as last seen'
  shows '^s-1 +Succeeded'
  kill -CONT "$(stack_pid supervisor)"
  eventually 30 shows 'Postgres up '
  tmux -S "$TERMINAL" send-keys q
  eventually 5 shows '^it ended with 0$'
  run -2 syncline status -w </dev/null
  [[ $output == *'wants a terminal'* ]]
  run -2 syncline status -w --json
}

@test "the progress bar is one line, fits any width, and leaves nothing behind" {
  # Goal: while a job goes a bar is seen, also in a narrow window; at the end there are the lines that stay.
  # Method: a job slowed down by its reads, on a terminal that is made narrower under way.
  mkdir -p "$WORK/src" "$WORK/dst"
  for i in $(seq 300); do echo "$i" >"$WORK/src/f$i"; done
  syncline up
  sync_define slow "fault:delay_ms=20;dir:$WORK/src" "$WORK/dst"
  typed 100x24 "$SYNCLINE_BIN/syncline" --state-dir "$STACK" run slow --wait
  eventually 20 shows '^Running .* items'
  [ "$(screen | grep -cE '^(Running|Closing|Queued|Probing)')" = 1 ]
  tmux -S "$TERMINAL" resize-window -x 30 -y 24
  tmux -S "$TERMINAL" resize-window -x 100 -y 24
  eventually 60 shows '^it ended with 0$'
  shows '^slow-1: Succeeded$'
  shows '300 scanned, 0 unchanged, 300 moved and proven'
  shows_not '(Running|Closing).*items'
}

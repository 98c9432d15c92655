# clock.bash: a stack whose wall clock the test moves, beside stack.bash. By libfaketime, in every process but Redis,
# whose allocator it brings to a standstill; nothing of Syncline is decided by the clock of Redis.
#
#   clock_up [OPTIONS of up]     instead of `syncline up`
#   clock_set +1d | -1d | +0     from now on the clock is so far away from the real one
#   clock_end                    after stack_teardown: removes what libfaketime leaves in /dev/shm of a process that was
#                                killed, or left without its destructors

clock_up() {
  local library programs=$BASE/programs
  library=$(compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1')
  mkdir -p "$programs"
  printf '#!/bin/bash\nunset LD_PRELOAD\nexec -a redis-server %s "$@"\n' \
    "$(command -v redis-server || command -v redis-check-rdb)" >"$programs/redis-server"
  chmod 755 "$programs/redis-server"
  [[ -e $BASE/clock ]] || clock_set +0
  : "${CLOCK_SINCE:=$EPOCHSECONDS}"
  PATH=$programs:$PATH LD_PRELOAD=$library FAKETIME_TIMESTAMP_FILE=$BASE/clock FAKETIME_NO_CACHE=1 \
    FAKETIME_DONT_FAKE_MONOTONIC=1 syncline up "$@"
}

clock_set() {
  echo "$1" >"$BASE/clock.new"
  chmod 644 "$BASE/clock.new"
  mv "$BASE/clock.new" "$BASE/clock"
}

clock_end() {
  local file
  [[ -n ${CLOCK_SINCE:-} ]] || return 0
  for file in /dev/shm/faketime_shm_* /dev/shm/sem.faketime_sem_*; do
    [[ -e $file ]] || continue
    (($(stat -c %Y "$file" 2>/dev/null || echo 0) >= CLOCK_SINCE)) && is_gone "${file##*_}" && rm -f "$file"
  done
  return 0
}

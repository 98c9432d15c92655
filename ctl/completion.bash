# bash completion of syncline; to use it: source <(syncline completion bash)
# Commands and options are what `syncline --help` and `syncline COMMAND --help` say; names are asked for.

_syncline_commands() { syncline --help 2>/dev/null | sed -nE 's/^  ([a-z]+( [a-z][a-z-]*)?) .*/\1/p'; }

_syncline_options() {
  syncline "$@" --help 2>/dev/null |
    awk '/^ *-/ { sub(/^ +/, ""); sub(/  .*/, ""); while (match($0, /--[a-z-]+/)) { print substr($0, RSTART, RLENGTH)
                  $0 = substr($0, RSTART + RLENGTH) } }'
  printf '%s\n' --help --state-dir --quiet --verbose --no-color
}

# what a bare NAME means
_syncline_syncs() { syncline get syncs --all -o name; syncline get plans -o name; }

# what the first argument of a command is, by its usage line
_syncline_arguments() {
  local usage
  usage=$(syncline "$@" --help 2>/dev/null | head -n 1)
  if [[ $usage == *' KIND/NAME'* ]]; then
    { syncline get assets --all -o name; _syncline_syncs; } 2>/dev/null
    return
  fi
  case ${usage#Usage: syncline "$*"} in
    ' JOB|NAME'* | ' NAME|JOB'*) syncline get jobs --all -o name; _syncline_syncs ;;
    ' JOB'*) syncline get jobs --all -o name ;;
    ' KIND'*) printf '%s\n' jobs workers assets syncs plans ;;
    ' NAME'*) _syncline_syncs ;;
    ' ID'*) syncline get workers -o name ;;
    ' ROLE=N'*) printf '%s\n' planner= watcher= mover= verifier= ;;
    ' SHELL'*) echo bash ;;
  esac 2>/dev/null | sed 's|^[a-z]*/||'
}

_syncline() {
  local current=${COMP_WORDS[COMP_CWORD]} word command=() commands
  commands=$(_syncline_commands)
  COMPREPLY=()
  # the command is the one or two words, without options, that are known
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] && continue
    grep -qE "^${command[*]:+${command[*]} }$word( |\$)" <<<"$commands" || break
    command+=("$word")
    grep -qxF -- "${command[*]}" <<<"$commands" && break
  done
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_syncline_options "${command[@]}")" -- "$current")
  elif ! grep -qxF -- "${command[*]}" <<<"$commands"; then # a command, or the second word of one
    mapfile -t COMPREPLY < <(compgen -W "$(sed -n "s/^${command[*]:+${command[*]} }\([a-z-]*\).*/\1/p" <<<"$commands" | sort -u)" \
      -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$(_syncline_arguments "${command[@]}")" -- "$current")
    [[ ${COMPREPLY[0]:-} == *= ]] && compopt -o nospace 2>/dev/null
  fi
  return 0
}
complete -o default -F _syncline syncline

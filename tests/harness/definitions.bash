# definitions.bash: documents of definitions, beside stack.bash, for suites whose commands are asked by `run`.

# asset NAME PATH [LABELS], sync NAME SOURCE DESTINATION [FIELDS] [LABELS]: a document
asset() {
  printf -- '---\napiVersion: syncline/v1\nkind: Asset\nmetadata: {name: %s, labels: {%s}}\n' "$1" "${3:-}"
  printf 'spec: {directory: {path: %s}}\n' "$2"
}
sync() {
  printf -- '---\napiVersion: syncline/v1\nkind: Synchronization\nmetadata: {name: %s, labels: {%s}}\n' "$1" "${5:-}"
  printf 'spec: {source: %s, destination: %s%s}\n' "$2" "$3" "${4:+, $4}"
}

# says TEXT: in what the last `run` printed
says() { [[ $output == *"$1"* ]] || { printf 'says not "%s":\n%s\n' "$1" "$output" >&2; return 1; }; }

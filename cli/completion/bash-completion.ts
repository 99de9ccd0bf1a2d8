import type { CompletedCommand, CompletedOption, CompletedValue } from "./completion-model.ts";

/**
 * A script for bash 3.2 (macOS) and later. Without the package bash-completion, whose functions it does not need.
 */
export function formatBashCompletion(commands: readonly CompletedCommand[]): string {
  return `# bash completion of entente; in ~/.bashrc: source <(entente completion bash)
_entente_position() {
  # The number of words between the command and the cursor that are neither options nor their values.
  local index position=0
  for ((index = 2; index < COMP_CWORD; index++)); do
    case "\${COMP_WORDS[index]}" in
      -*|=) ;;
      *) _entente_value "$1" "\${COMP_WORDS[index - 1]}" && continue; position=$((position + 1)) ;;
    esac
  done
  echo "$position"
}

# Succeeds if the option takes a value; sets "values" to the words, or "paths" to what compgen lists.
_entente_value() {
  values="" paths=""
  case "$1 $2" in
${commands.flatMap(valueCases).join("\n")}
    *) return 1 ;;
  esac
}

_entente() {
  local IFS=$' \\t\\n' current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" values paths offered=""
  # bash splits --option=value at the equals sign.
  if [[ $current == "=" ]]; then current=""; elif [[ $previous == "=" ]]; then previous="\${COMP_WORDS[COMP_CWORD - 2]}"; fi
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    offered="${commands.map(({ name }) => name).join(" ")} help"
  elif _entente_value "\${COMP_WORDS[1]}" "$previous"; then
    if [[ -n $paths ]]; then
      compopt -o filenames 2>/dev/null
      IFS=$'\\n'
      COMPREPLY=($(compgen "$paths" -- "$current"))
      return
    fi
    offered="$values"
  else
    case "\${COMP_WORDS[1]}" in
${commands.map(wordCase).join("\n")}
    esac
  fi
  COMPREPLY=($(compgen -W "$offered" -- "$current"))
}

complete -F _entente entente
`;
}

function valueCases({ name, options }: CompletedCommand): readonly string[] {
  return options
    .filter(({ value }) => value.kind !== "none")
    .map((option) => `    ${patterns(name, option)}) ${assignment(option.value)} ;;`);
}

function patterns(command: string, { name, short }: CompletedOption): string {
  const long = `"${command} --${name}"`;
  return short === undefined ? long : `${long}|"${command} -${short}"`;
}

function assignment(value: CompletedValue): string {
  switch (value.kind) {
    case "files":
      return "paths=-f";
    case "folders":
      return "paths=-d";
    case "words":
      return `values="${value.words.join(" ")}"`;
    case "free":
    case "none":
      return ":";
  }
}

function wordCase({ name, words, options }: CompletedCommand): string {
  const names = options.flatMap((option) => [`--${option.name}`, ...(option.short ? [`-${option.short}`] : [])]);
  const positions = words.map((allowed, index) => `${index}) offered="${allowed.join(" ")}" ;;`);
  const other = positions.length === 0 ? ":" : `case "$(_entente_position ${name})" in ${positions.join(" ")} esac`;
  return `      ${name}) if [[ $current == -* ]]; then offered="${names.join(" ")}"; else ${other}; fi ;;`;
}

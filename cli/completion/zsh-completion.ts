import type { CompletedCommand, CompletedOption, CompletedValue } from "./completion-model.ts";

/** A script for zsh's own completion system. */
export function formatZshCompletion(commands: readonly CompletedCommand[]): string {
  return `#compdef entente
# zsh completion of entente; in ~/.zshrc, after compinit: source <(entente completion zsh)
_entente() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, summary }) => `        ${quote(`${name}:${summary.replaceAll(":", "\\:")}`)}`).join("\n")}
      )
      _describe 'command' commands
      ;;
    argument)
      case $words[1] in
${commands.map(formatCommand).join("\n")}
      esac
      ;;
  esac
}

if [[ $funcstack[1] == _entente ]]; then _entente "$@"; else compdef _entente entente; fi
`;
}

function formatCommand({ name, words, options }: CompletedCommand): string {
  const positions = words.map((allowed, index) => quote(`${index + 1}:argument:(${allowed.join(" ")})`));
  const specs = [...options.flatMap(formatOption), ...positions];
  return `        ${name}) _arguments ${specs.map((spec) => `\\\n          ${spec}`).join(" ")} ;;`;
}

function formatOption(option: CompletedOption): readonly string[] {
  const { name, short, isRepeatable, value } = option;
  const names = [`--${name}`, ...(short === undefined ? [] : [`-${short}`])];
  const help = option.help.replaceAll(/[\\[\]:]/g, "\\$&");
  return names.map((spelled) => {
    const excluded = isRepeatable ? "*" : `(${names.join(" ")})`;
    const isLong = spelled.startsWith("--") && value.kind !== "none" ? "=" : "";
    return quote(`${excluded}${spelled}${isLong}[${help}]${formatValue(option)}`);
  });
}

function formatValue({ value, valueName }: CompletedOption): string {
  const action = actionOf(value);
  return action === undefined ? "" : `:${valueName.replaceAll(":", "\\:") || "value"}:${action}`;
}

function actionOf(value: CompletedValue): string | undefined {
  switch (value.kind) {
    case "none":
      return undefined;
    case "files":
      return "_files";
    case "folders":
      return "_files -/";
    case "words":
      return `(${value.words.join(" ")})`;
    case "free":
      return " ";
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

import type { CompletedCommand, CompletedOption, CompletedValue } from "./completion-model.ts";

/** A script for fish 3 and later. */
export function formatFishCompletion(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(formatCommand);
  return `# fish completion of entente: entente completion fish > ~/.config/fish/completions/entente.fish
complete -c entente -f
${lines.join("\n")}
`;
}

function formatCommand({ name, summary, words, options }: CompletedCommand): readonly string[] {
  const isCommand = quote(`__fish_seen_subcommand_from ${name}`);
  return [
    `complete -c entente -n __fish_use_subcommand -a ${name} -d ${quote(summary)}`,
    ...words.slice(0, 1).map((allowed) => {
      const isMissing = `__fish_seen_subcommand_from ${name}; and not __fish_seen_subcommand_from ${allowed.join(" ")}`;
      return `complete -c entente -n ${quote(isMissing)} -a ${quote(allowed.join(" "))}`;
    }),
    ...options.map((option) => `complete -c entente -n ${isCommand} ${formatOption(option)}`),
  ];
}

function formatOption({ name, short, help, value }: CompletedOption): string {
  const letter = short === undefined ? "" : ` -s ${short}`;
  return `-l ${name}${letter} ${argumentOf(value)}-d ${quote(help)}`;
}

function argumentOf(value: CompletedValue): string {
  switch (value.kind) {
    case "none":
      return "";
    case "files":
      return "-r -F ";
    case "folders":
      return "-x -a '(__fish_complete_directories)' ";
    case "words":
      return `-x -a ${quote(value.words.join(" "))} `;
    case "free":
      return "-x ";
  }
}

function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}

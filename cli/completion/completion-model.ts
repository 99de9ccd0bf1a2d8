import type { CommandDescription, OptionDescription } from "../command-line/command-description.ts";

/** What a shell offers for an option's value. */
export type CompletedValue =
  | { readonly kind: "none" }
  | { readonly kind: "files" }
  | { readonly kind: "folders" }
  | { readonly kind: "words"; readonly words: readonly string[] }
  /** A value that cannot be guessed. */
  | { readonly kind: "free" };

export interface CompletedOption {
  readonly name: string;
  readonly short: string | undefined;
  readonly help: string;
  /** The value's name in help. */
  readonly valueName: string;
  readonly value: CompletedValue;
  readonly isRepeatable: boolean;
}

/** A command as the shells' scripts need it. */
export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  /** The words for each position. */
  readonly words: readonly (readonly string[])[];
  readonly options: readonly CompletedOption[];
}

interface DescribedCommand {
  readonly name: string;
  readonly summary: string;
  readonly description: CommandDescription;
}

const HELP: CompletedOption = {
  name: "help",
  short: "h",
  help: "print the options",
  valueName: "",
  value: { kind: "none" },
  isRepeatable: false,
};

/** The commands as the completion scripts need them. */
export function completedCommands(commands: readonly DescribedCommand[]): readonly CompletedCommand[] {
  return commands.map(({ name, summary, description }) => ({
    name,
    summary,
    words: description.words ?? [],
    options: [...Object.entries(description.options).map(([option, details]) => optionOf(option, details)), HELP],
  }));
}

function optionOf(name: string, option: OptionDescription): CompletedOption {
  const valueName = option.value ?? "";
  return {
    name,
    short: option.short,
    help: option.help,
    valueName,
    value: completedValue(option, valueName),
    isRepeatable: option.multiple === true,
  };
}

function completedValue({ type, choices }: OptionDescription, valueName: string): CompletedValue {
  if (type === "boolean") return { kind: "none" };
  if (choices !== undefined) return { kind: "words", words: choices };
  if (/\bFILE\b/.test(valueName)) return { kind: "files" };
  return /\bFOLDER\b/.test(valueName) ? { kind: "folders" } : { kind: "free" };
}

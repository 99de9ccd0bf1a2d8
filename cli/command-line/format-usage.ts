import type { CommandDescription, OptionDescription } from "./command-description.ts";

const WIDTH = 120;
const INDENT = "  ";
/** A longer name stands on a line of its own. */
const MAX_NAME_WIDTH = 40;

/** The text of `entente NAME --help`. */
export function formatUsage(name: string, { forms, text, options, notes }: CommandDescription): string {
  const parts = [formatForms(name, forms), text.trim(), formatOptions(options), notes?.trim() ?? ""];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** What follows the message about an invalid command line: short, so that the message stays on the screen. */
export function formatHint(name: string, { forms }: CommandDescription): string {
  return `${formatForms(name, forms)}\n\nentente ${name} --help explains it.\n`;
}

function formatForms(name: string, forms: CommandDescription["forms"]): string {
  return forms
    .map((form, index) => `${index === 0 ? "Usage:" : "      "} entente ${name} ${form}`.trimEnd())
    .join("\n");
}

function formatOptions(options: CommandDescription["options"]): string {
  const rows = Object.entries(options).map(([name, option]) => ({ option, names: formatNames(name, option, options) }));
  const width = Math.max(...rows.map(({ names }) => (names.length > MAX_NAME_WIDTH ? 0 : names.length)), 0);
  return rows
    .map(({ names, option }) => {
      const heading = option.heading === undefined ? "" : `\n${INDENT}${option.heading}:\n`;
      return `${heading}${formatRow(names, formatHelp(option), width)}`;
    })
    .join("\n")
    .replace(/^\n/, "");
}

/** `-f, --filename FILE`; names without a letter are indented if others have one. */
function formatNames(name: string, option: OptionDescription, options: CommandDescription["options"]): string {
  const hasLetters = Object.values(options).some(({ short }) => short !== undefined);
  const letter = option.short === undefined ? (hasLetters ? "    " : "") : `-${option.short}, `;
  return `${letter}--${name}${option.type === "string" ? ` ${formatValueName(option)}` : ""}`;
}

function formatValueName({ value, choices }: OptionDescription): string {
  return value ?? choices?.join("|") ?? "VALUE";
}

function formatHelp({ help, multiple, default: byDefault }: OptionDescription): string {
  const often = multiple === true ? "; may be given several times" : "";
  const shown = typeof byDefault === "string" && byDefault !== "" ? `(${byDefault})` : "";
  return `${help}${often} ${shown}`.trim();
}

function formatRow(names: string, help: string, width: number): string {
  const start = `${INDENT}${names.padEnd(width)}${INDENT}`;
  const column = INDENT.length + width + INDENT.length;
  const lines = wrap(help, WIDTH - column);
  const head = names.length > width ? `${INDENT}${names}\n${" ".repeat(column)}` : start;
  return `${head}${lines.join(`\n${" ".repeat(column)}`)}`.trimEnd();
}

/** Breaks a text between words. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

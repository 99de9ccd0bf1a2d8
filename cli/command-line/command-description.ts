/** One option. `node:util` parseArgs takes the table as it is and ignores the fields that are for people. */
export interface OptionDescription {
  readonly type: "string" | "boolean";
  readonly short?: string;
  readonly multiple?: boolean;
  readonly default?: string | boolean;
  /** The name of the value in help, such as `FOLDER`. A shell completes paths for values with FILE or FOLDER in it. */
  readonly value?: string;
  /** The only allowed values. */
  readonly choices?: readonly string[];
  /** One sentence, without a full stop. */
  readonly help: string;
  /** The heading of this option and those that follow it. */
  readonly heading?: string;
}

/** The options of a command by their long names, in the order of its help. */
export type OptionTable = Readonly<Record<string, OptionDescription>>;

/** A command line for people and shells: `--help` and the completion scripts are made of it. */
export interface CommandDescription {
  /** What follows `entente NAME`, one entry for each form: `apply [OPTION ...]`. */
  readonly forms: readonly string[];
  /** Paragraphs before the options. */
  readonly text: string;
  readonly options: OptionTable;
  /** The words that are allowed at each position before the options, where they are fixed. */
  readonly words?: readonly (readonly string[])[];
  /** Paragraphs after the options. */
  readonly notes?: string;
}

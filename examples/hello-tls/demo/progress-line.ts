/** Where the demo writes to: standard output, or a test's list. */
export interface TextOutput {
  readonly isTerminal: boolean;
  /** Columns of the terminal; 80 where that is unknown. */
  readonly columns: number;
  write(text: string): void;
}

/** Shows the step under way. */
export interface ProgressLine {
  show(text: string): void;
  /** The same for what will be printed anyway once it is done: only where the line can be removed again. */
  hint(text: string): void;
  /** Removes the line where it can be removed, before something that stays is printed. */
  clear(): void;
}

const ERASE_LINE = "\r\u001b[2K";

/** On a terminal one line that is written over; elsewhere a line for each step, without repeating itself. */
export function createProgressLine(output: TextOutput): ProgressLine {
  let last = "";
  if (!output.isTerminal) {
    return {
      show(text) {
        if (text !== last) output.write(`${text}\n`);
        last = text;
      },
      hint: () => undefined,
      clear: () => undefined,
    };
  }
  const show = (text: string): void => {
    last = [...text].slice(0, output.columns - 1).join("");
    output.write(`${ERASE_LINE}${last}`);
  };
  return {
    show,
    hint: show,
    clear() {
      if (last !== "") output.write(ERASE_LINE);
      last = "";
    },
  };
}

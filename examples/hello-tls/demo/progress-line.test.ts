import { describe, expect, it } from "vitest";
import { createProgressLine } from "./progress-line.ts";

function record(
  isTerminal: boolean,
  columns = 80,
): { written: string[]; write: (text: string) => void } & {
  isTerminal: boolean;
  columns: number;
} {
  const written: string[] = [];
  return { isTerminal, columns, written, write: (text) => written.push(text) };
}

describe("createProgressLine", () => {
  it("writes over one line on a terminal", () => {
    const output = record(true);
    const progress = createProgressLine(output);
    progress.show("pods 1 of 4");
    progress.show("pods 2 of 4");
    progress.clear();
    expect(output.written.join("")).toBe("\r\u001b[2Kpods 1 of 4\r\u001b[2Kpods 2 of 4\r\u001b[2K");
  });

  it("never lets a line wrap on a narrow terminal", () => {
    const output = record(true, 8);
    createProgressLine(output).show("0123456789");
    expect(output.written.join("")).toBe("\r\u001b[2K0123456");
  });

  it("writes plain lines elsewhere, each once", () => {
    const output = record(false);
    const progress = createProgressLine(output);
    progress.show("network");
    progress.show("network");
    progress.show("pods");
    progress.hint("not worth a line");
    progress.clear();
    expect(output.written.join("")).toBe("network\npods\n");
  });
});

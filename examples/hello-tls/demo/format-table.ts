import { stripVTControlCharacters } from "node:util";

const GAP = "  ";

/**
 * Aligns rows in columns, each as wide as its widest cell, with the header's line under it. Colours do not count as
 * width. Rows may be shorter than the header; the last column is not padded, so that no line ends in spaces.
 */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = header.map((title, column) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[column] ?? ""))),
  );
  const rule = widths.map((width) => "─".repeat(width));
  return [header, rule, ...rows].map((row) => formatRow(row, widths));
}

function formatRow(row: readonly string[], widths: readonly number[]): string {
  const cells = widths.map((width, column) => {
    const cell = row[column] ?? "";
    return cell + " ".repeat(width - widthOf(cell));
  });
  return cells.join(GAP).trimEnd();
}

function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

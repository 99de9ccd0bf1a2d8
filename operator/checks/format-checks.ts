import { formatCount } from "../../mesh/format-count.ts";
import { type Palette, printable } from "../text/palette.ts";
import { type CheckGroup, type CheckResult, isHealthy } from "./check.ts";

/** `short`: only what is not in order. */
export type CheckDetail = "everything" | "short";

/** A line for each check under its group's name, the hint of what is not in order, and the result. */
export function formatChecks(groups: readonly CheckGroup[], palette: Palette, detail: CheckDetail): string {
  const sections = groups.flatMap(({ name, checks }) => {
    const shown = checks.filter(({ outcome }) => detail === "everything" || isNotable(outcome));
    return shown.length === 0
      ? []
      : [`${palette.strong(name)}\n${shown.map((check) => formatCheck(check, palette)).join("")}`];
  });
  return `${sections.map((section) => `${section}\n`).join("")}${formatResult(groups, palette)}\n`;
}

function isNotable({ kind }: CheckResult["outcome"]): boolean {
  return kind === "failed" || kind === "warning";
}

function formatCheck({ title, outcome }: CheckResult, palette: Palette): string {
  switch (outcome.kind) {
    case "ok":
      return `  ${palette.good("ok")}       ${title}${outcome.message === undefined ? "" : `: ${printable(outcome.message)}`}\n`;
    case "warning":
      return `  ${palette.warning("warning")}  ${title}: ${printable(outcome.message)}\n           ${printable(outcome.hint)}\n`;
    case "failed":
      return `  ${palette.bad("failed")}   ${title}: ${printable(outcome.message)}\n           ${printable(outcome.hint)}\n`;
    case "skipped":
      return `  skipped  ${title}: ${printable(outcome.message)}\n`;
  }
}

function formatResult(groups: readonly CheckGroup[], palette: Palette): string {
  const all = groups.flatMap(({ checks }) => checks);
  const count = (kind: CheckResult["outcome"]["kind"]): number =>
    all.filter(({ outcome }) => outcome.kind === kind).length;
  const parts = [
    `${count("ok")} ok`,
    formatCount(count("warning"), "warning"),
    `${count("failed")} failed`,
    `${count("skipped")} skipped`,
  ];
  const text = `${parts.join(", ")}.`;
  return isHealthy(groups) ? palette.good(text) : palette.bad(text);
}

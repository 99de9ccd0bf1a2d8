import { parseIpRange } from "./ip-range.ts";
import { CAPTURE_CHAINS, type CaptureTable, type ChainRule, formatTable } from "./iptables-rules.ts";

/** The change that brings the rules of one IP family to the wanted state. */
export type CapturePlan =
  | { readonly kind: "in_force" }
  /** `text` is the input of `iptables-restore --noflush`; `reason` names the first difference. */
  | { readonly kind: "change"; readonly text: string; readonly reason: string };

type TableName = keyof typeof CAPTURE_CHAINS;
/** The rules of each chain, in order, without `-A NAME`. */
type SavedTable = ReadonlyMap<string, readonly string[]>;

/** Compares the output of `iptables-save` with the wanted tables. An empty list means that our chains are removed. */
export function planCapture(wanted: readonly CaptureTable[], saved: string): CapturePlan {
  const current = parseSavedTables(saved);
  const texts: string[] = [];
  const reasons: string[] = [];
  for (const name of ["nat", "mangle"] as const) {
    const now = current.get(name) ?? new Map();
    const table = wanted.find((candidate) => candidate.table === name);
    const reason = table === undefined ? reasonToRemove(name, now) : reasonToChange(table, now);
    if (reason === undefined) continue;
    reasons.push(reason);
    texts.push(table === undefined ? formatRemoval(name, now) : formatTable(table, ownJumps(name, now)));
  }
  const [reason] = reasons;
  return reason === undefined ? { kind: "in_force" } : { kind: "change", text: texts.join(""), reason };
}

/**
 * A rule in canonical form: options sorted, `-m tcp` left out if `-p tcp` implies it, addresses as blocks.
 * `iptables-save` orders and spells rules in its own way.
 */
export function canonicalRule(rule: string): string {
  const options = splitOptions(rule);
  const protocol = options.find(([flag]) => flag === "-p")?.[1];
  return options
    .filter(([flag, value]) => !(flag === "-m" && value === protocol))
    .map(([flag, value]) => `${flag} ${flag.endsWith("-s") || flag.endsWith("-d") ? canonicalRange(value) : value}`)
    .sort()
    .join(" ");
}

function reasonToChange(table: CaptureTable, now: SavedTable): string | undefined {
  const missing = table.chains.find((chain) => !now.has(chain.name));
  if (missing !== undefined) return `the chain ${missing.name} is not in table ${table.table}`;
  const different = table.chains.find((chain) => !isSame(chain.rules, now.get(chain.name) ?? []));
  if (different !== undefined)
    return `the rules of chain ${different.name} in table ${table.table} are not the wanted ones`;
  const wanted = table.jumps.map(({ chain, rule }) => `${chain} ${rule}`);
  const jumps = ownJumps(table.table, now).map(({ chain, rule }) => `${chain} ${rule}`);
  return isSame(wanted.toSorted(), jumps.toSorted())
    ? undefined
    : `the jumps into our chains in table ${table.table} are not the wanted ones`;
}

function reasonToRemove(name: TableName, now: SavedTable): string | undefined {
  const chain = CAPTURE_CHAINS[name].find((candidate) => now.has(candidate));
  return chain === undefined ? undefined : `the chain ${chain} is still in table ${name}`;
}

/** First the jumps, then the rules, then the chains: a chain that is still referenced cannot be deleted. */
function formatRemoval(name: TableName, now: SavedTable): string {
  const chains = CAPTURE_CHAINS[name].filter((chain) => now.has(chain));
  const lines = [
    `*${name}`,
    ...ownJumps(name, now).map(({ chain, rule }) => `-D ${chain} ${rule}`),
    ...chains.map((chain) => `-F ${chain}`),
    ...chains.map((chain) => `-X ${chain}`),
    "COMMIT",
  ];
  return `${lines.join("\n")}\n`;
}

/** Rules outside our chains that jump into them. */
function ownJumps(name: TableName, now: SavedTable): readonly ChainRule[] {
  const ours: readonly string[] = CAPTURE_CHAINS[name];
  return [...now]
    .filter(([chain]) => !ours.includes(chain))
    .flatMap(([chain, rules]) =>
      rules.filter((rule) => ours.includes(targetOf(rule))).map((rule) => ({ chain, rule })),
    );
}

function targetOf(rule: string): string {
  return splitOptions(rule).find(([flag]) => flag === "-j" || flag === "-g")?.[1] ?? "";
}

function isSame(wanted: readonly string[], current: readonly string[]): boolean {
  return (
    wanted.length === current.length &&
    wanted.every((rule, i) => canonicalRule(rule) === canonicalRule(current[i] ?? ""))
  );
}

/** Pairs of a flag (with its preceding `!`) and its values. */
function splitOptions(rule: string): readonly (readonly [string, string])[] {
  const options: [string, string][] = [];
  let negation = "";
  for (const word of rule.split(/\s+/).filter((part) => part !== "")) {
    const last = options.at(-1);
    if (word === "!") negation = "! ";
    else if (word.startsWith("-") || last === undefined) {
      options.push([`${negation}${word}`, ""]);
      negation = "";
    } else last[1] = last[1] === "" ? word : `${last[1]} ${word}`;
  }
  return options;
}

function canonicalRange(text: string): string {
  try {
    return parseIpRange(text).text;
  } catch {
    return text;
  }
}

function parseSavedTables(saved: string): ReadonlyMap<string, SavedTable> {
  const tables = new Map<string, Map<string, string[]>>();
  let table = new Map<string, string[]>();
  for (const line of saved.split("\n")) {
    const [first = "", second = ""] = line.split(" ", 2);
    if (first.startsWith("*")) {
      table = new Map();
      tables.set(first.slice(1), table);
    } else if (first.startsWith(":")) table.set(first.slice(1), []);
    else if (first === "-A") table.get(second)?.push(line.slice(`-A ${second} `.length));
  }
  return tables;
}

import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Names of workloads; empty: all. */
  readonly only: readonly string[];
  /** Names of paths; empty: all. */
  readonly paths: readonly string[];
  readonly seconds: number;
  readonly rounds: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly profile: string | undefined;
  readonly help: boolean;
}

export const USAGE = `Usage: npm run bench -- [options]
  --only NAME,…     workloads (all)
  --paths NAME,…    paths (all)
  --seconds S       of one load (3)
  --rounds N        in turns; the tables show medians (5)
  --json FILE       writes every measurement
  --svg FILE        writes the chart
  --profile DIR     writes CPU profiles of the Entente and http-proxy processes
`;

/** Reads the command line; throws with a sentence for the user where it makes no sense. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      paths: { type: "string", default: "" },
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "5" },
      json: { type: "string" },
      svg: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const { json, svg, profile, help } = values;
  return {
    only: parseNames(values.only),
    paths: parseNames(values.paths),
    seconds: parsePositive("--seconds", values.seconds),
    rounds: parsePositive("--rounds", values.rounds),
    json,
    svg,
    profile,
    help,
  };
}

/** The chosen ones of a list, in the list's order; throws if a name is not in it. */
export function choose<T extends { readonly name: string }>(all: readonly T[], names: readonly string[]): readonly T[] {
  const unknown = names.filter((name) => !all.some((one) => one.name === name));
  if (unknown.length > 0) {
    throw new Error(`there is no ${unknown.join(", ")}; choose from ${all.map(({ name }) => name).join(", ")}`);
  }
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

function parseNames(text: string): readonly string[] {
  return text.split(",").filter((name) => name !== "");
}

function parsePositive(option: string, text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`${option} is a whole number from 1 to 9999, not ${text}`);
  return Number(text);
}

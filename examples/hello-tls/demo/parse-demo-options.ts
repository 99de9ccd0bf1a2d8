import { parseArgs } from "node:util";
import type { Check } from "./checks/check.ts";

type Part = Pick<Check, "letter" | "title">;

export type DemoChoice<Shown> =
  | { readonly kind: "run"; readonly checks: readonly Shown[] }
  | { readonly kind: "usage"; readonly text: string; readonly status: 0 | 2 };

const USAGE = `Usage: npm run demo -- [options]
  --only LETTER,…   the parts to run, such as l,m (all)
`;

function formatUsage(parts: readonly Part[]): string {
  const lines = parts.map(({ letter, title }) => `  ${letter}  ${title}\n`);
  return `${USAGE}\nParts:\n${lines.join("")}`;
}

/** Reads the command line: which of the parts to run, in their own order. */
export function parseDemoOptions<Shown extends Part>(
  args: readonly string[],
  parts: readonly Shown[],
): DemoChoice<Shown> {
  try {
    const options = { only: { type: "string" }, help: { type: "boolean", default: false } } as const;
    const { values } = parseArgs({ args: [...args], options });
    if (values.help) return { kind: "usage", text: formatUsage(parts), status: 0 };
    return { kind: "run", checks: choose(values.only, parts) };
  } catch (caught) {
    const reason = caught instanceof Error ? caught.message : String(caught);
    return { kind: "usage", text: `${reason}\n${USAGE}`, status: 2 };
  }
}

function choose<Shown extends Part>(only: string | undefined, parts: readonly Shown[]): readonly Shown[] {
  if (only === undefined) return parts;
  const letters = only.split(",");
  const known = parts.map(({ letter }) => letter);
  const unknown = letters.filter((letter) => !known.includes(letter));
  if (unknown.length > 0) {
    throw new Error(`--only must be letters of parts (${known.join(",")}), got "${unknown.join(",")}"`);
  }
  return parts.filter(({ letter }) => letters.includes(letter));
}

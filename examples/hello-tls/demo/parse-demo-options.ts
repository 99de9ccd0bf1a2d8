import { parseArgs } from "node:util";
import type { Check } from "./checks/check.ts";

export type DemoChoice<Part> =
  | { readonly kind: "run"; readonly checks: readonly Part[] }
  | { readonly kind: "usage"; readonly text: string; readonly status: 0 | 2 };

const USAGE = `Usage: npm run demo -- [options]
  --only LETTER,…   the parts to run, such as l,m (all)
`;

/** Reads the command line: which of the parts to run, in their own order. */
export function parseDemoOptions<Part extends Pick<Check, "letter">>(
  args: readonly string[],
  parts: readonly Part[],
): DemoChoice<Part> {
  try {
    const options = { only: { type: "string" }, help: { type: "boolean", default: false } } as const;
    const { values } = parseArgs({ args: [...args], options });
    if (values.help) return { kind: "usage", text: USAGE, status: 0 };
    return { kind: "run", checks: choose(values.only, parts) };
  } catch (caught) {
    const reason = caught instanceof Error ? caught.message : String(caught);
    return { kind: "usage", text: `${reason}\n${USAGE}`, status: 2 };
  }
}

function choose<Part extends Pick<Check, "letter">>(only: string | undefined, parts: readonly Part[]): readonly Part[] {
  if (only === undefined) return parts;
  const letters = only.split(",");
  const known = parts.map(({ letter }) => letter);
  const unknown = letters.filter((letter) => !known.includes(letter));
  if (unknown.length > 0) {
    throw new Error(`--only must be letters of parts (${known.join(",")}), got "${unknown.join(",")}"`);
  }
  return parts.filter(({ letter }) => letters.includes(letter));
}

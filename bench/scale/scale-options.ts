import { parseArgs } from "node:util";
import type { MeshSize } from "./topology.ts";

export interface ScaleOptions {
  readonly size: MeshSize;
  /** Pods that are replaced per second. */
  readonly rate: number;
  /** How long they are. */
  readonly seconds: number;
  readonly json: string | undefined;
  readonly help: boolean;
}

export const SCALE_USAGE = `Usage: node bench/scale/main.ts [options]
  --services N      services of the mesh (5000)
  --pods N          pods of the mesh (20000)
  --sidecars N      connected sidecars, of the first pods (2000)
  --used N          services that each sidecar uses (20)
  --rate N          pods that are replaced per second (20)
  --seconds S       for how long (60)
  --json FILE       writes the figures
`;

/** Reads the command line; throws with a sentence for the user where it makes no sense. */
export function parseScaleOptions(args: readonly string[]): ScaleOptions {
  const number = (fallback: number) => ({ type: "string", default: String(fallback) }) as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      services: number(5000),
      pods: number(20_000),
      sidecars: number(2000),
      used: number(20),
      rate: number(20),
      seconds: number(60),
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const size = {
    services: parseCount("--services", values.services),
    pods: parseCount("--pods", values.pods),
    sidecars: parseCount("--sidecars", values.sidecars),
    used: parseCount("--used", values.used),
  };
  if (size.sidecars >= size.pods)
    throw new Error("--sidecars must be fewer than --pods: pods with a sidecar are not replaced");
  if (size.services > size.pods) throw new Error("--services must be at most --pods: each service has a pod");
  return {
    size,
    rate: parseCount("--rate", values.rate),
    seconds: parseCount("--seconds", values.seconds),
    json: values.json,
    help: values.help,
  };
}

function parseCount(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`${option} must be a whole number from 1 to 999999, got ${text}`);
  return Number(text);
}

/**
 * What a large mesh costs the control plane, and how fast it is: a simulated API server, the shipped control plane and
 * simulated sidecars on loopback. See ../README.md.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describeRun } from "../describe-run.ts";
import { formatFigures, judgeFigures } from "./format-figures.ts";
import { measureScale } from "./measure-scale.ts";
import { parseScaleOptions, SCALE_USAGE, type ScaleOptions } from "./scale-options.ts";

const options = readOptions(process.argv.slice(2));
if (options !== undefined) await run(options);

/** `undefined`: usage was printed, on request or because of an error. */
function readOptions(args: readonly string[]): ScaleOptions | undefined {
  try {
    const parsed = parseScaleOptions(args);
    if (!parsed.help) return parsed;
    process.stdout.write(SCALE_USAGE);
  } catch (caught) {
    process.stderr.write(`${caught instanceof Error ? caught.message : caught}\n${SCALE_USAGE}`);
    process.exitCode = 2;
  }
  return undefined;
}

async function run({ json, ...plan }: ScaleOptions): Promise<void> {
  const stopping = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
  const description = describeRun(new Date());
  const figures = await measureScale(plan, {
    onProgress: (step) => void process.stderr.write(`${step} …\n`),
    signal: stopping.signal,
  });
  process.stdout.write(`${formatFigures(figures)}\n`);
  const judged = judgeFigures(figures);
  if (judged.some(({ isMet }) => !isMet)) process.exitCode = 1;
  if (json === undefined) return;
  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(json, `${JSON.stringify({ ...description, plan, figures, judged }, undefined, 2)}\n`);
}

/**
 * What a pair of sidecars costs beside its peers: the same load through each path to the same backend, in turns, on this
 * machine. See README.md.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describeRun, formatCaption, type RunDescription } from "./describe-run.ts";
import { findProgram } from "./find-program.ts";
import { installPeers } from "./install-peers.ts";
import type { Measurement } from "./measure.ts";
import { measurePaths } from "./measure-paths.ts";
import { type BenchOptions, choose, parseOptions, USAGE } from "./parse-options.ts";
import { PATH_WORKLOADS } from "./path-workloads.ts";
import type { PathKind } from "./paths/path.ts";
import { PATH_KINDS } from "./paths/path-kinds.ts";
import { findPodsObstacle, measurePods } from "./pods/measure-pods.ts";
import { POD_WORKLOADS } from "./pods/pod-workloads.ts";
import { formatChart } from "./report/format-chart.ts";
import { formatReport } from "./report/format-report.ts";
import { summarizeAll } from "./report/summarize.ts";
import type { Workload } from "./workload.ts";

const choice = readChoice(process.argv.slice(2));
if (choice !== undefined) await run(choice);

/** What the user wants to have measured. */
interface Choice {
  readonly options: BenchOptions;
  readonly workloads: readonly Workload[];
  readonly paths: readonly PathKind[];
}

/** `undefined`: usage was printed, on request or because of an error. */
function readChoice(args: readonly string[]): Choice | undefined {
  try {
    const options = parseOptions(args);
    if (options.help) process.stdout.write(USAGE);
    const workloads = choose([...PATH_WORKLOADS, ...POD_WORKLOADS], options.only);
    const paths = choose(PATH_KINDS, options.paths);
    return options.help ? undefined : { options, workloads, paths };
  } catch (caught) {
    process.stderr.write(`${caught instanceof Error ? caught.message : caught}\n${USAGE}`);
    process.exitCode = 2;
    return undefined;
  }
}

async function run({ options, workloads, ...choice }: Choice): Promise<void> {
  const { rounds, seconds, profile } = options;
  const stopping = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
  const loopback = PATH_WORKLOADS.filter((workload) => workloads.includes(workload));
  const wanted = [...choice.paths, ...loopback].flatMap(({ program }) => program ?? []);
  installPeers({ findProgram, wanted: ["wrk", ...wanted] });
  const leftOut = [...choice.paths, ...loopback].filter((one) => !isUsable(one)).map(describeMissing);
  const paths = choice.paths.filter(isUsable);
  if (profile !== undefined) mkdirSync(profile, { recursive: true });
  const description = describeRun(new Date());
  const measurements: Measurement[] = [];
  const deps = {
    onMeasured: (measurement: Measurement) => void measurements.push(measurement),
    onProgress: (step: string) => void process.stderr.write(`${step} …\n`),
    signal: stopping.signal,
  };
  const onLoopback = loopback.filter(isUsable);
  const plan = { rounds, seconds, hasWrk: findProgram("wrk") !== undefined, profileFolder: profile };
  if (onLoopback.length > 0) await measurePaths({ ...plan, workloads: onLoopback, paths }, deps);
  const inPods = POD_WORKLOADS.filter((workload) => workloads.includes(workload));
  const isPodsTurn = inPods.length > 0 && !stopping.signal.aborted && arePodsPossible();
  if (isPodsTurn) await measurePods({ rounds, seconds, workloads: inPods }, deps);
  if (stopping.signal.aborted) {
    process.stderr.write("stopped early; the medians are those of what was measured\n");
    process.exitCode = 130;
  }
  report(measurements, { options, workloads, paths, description, leftOut });
}

interface Reported extends Choice {
  /** Of the run's begin: the programs were bundled then. */
  readonly description: RunDescription;
  /** What was not measured, and why: a sentence each. */
  readonly leftOut: readonly string[];
}

function report(measurements: readonly Measurement[], reported: Reported): void {
  const { options, workloads, paths, description, leftOut } = reported;
  const { json, svg } = options;
  const summaries = summarizeAll(measurements, workloads);
  process.stdout.write(formatReport({ workloads, summaries, paths, leftOut }));
  if (json !== undefined) write(json, `${JSON.stringify({ ...description, options, measurements }, undefined, 2)}\n`);
  const caption = formatCaption(description);
  if (svg !== undefined) write(svg, formatChart({ workloads: PATH_WORKLOADS, summaries, paths, caption }));
}

/** What a path or a workload needs of the system. */
type Needs = Pick<PathKind, "title"> & { readonly program?: string | undefined };

function isUsable({ program }: Needs): boolean {
  return program === undefined || findProgram(program) !== undefined;
}

function describeMissing({ title, program }: Needs): string {
  return `left out: ${title}: ${program} is not installed`;
}

function arePodsPossible(): boolean {
  const obstacle = findPodsObstacle(process.getuid?.());
  if (obstacle !== undefined) process.stderr.write(`skipped: pods: ${obstacle}\n`);
  return obstacle === undefined;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/**
 * What a pair of sidecars costs beside its peers: the same load through each path to the same backend, in turns, all on
 * loopback of this machine. See README.md.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { findProgram } from "./find-program.ts";
import type { Measurement } from "./measure.ts";
import { choose, parseOptions, USAGE } from "./parse-options.ts";
import { listPathKinds } from "./paths/path-kinds.ts";
import { formatTable, summarize } from "./report/format-table.ts";
import { runBench } from "./run-bench.ts";
import { WORKLOADS } from "./workloads.ts";

const options = parseOptions(process.argv.slice(2));
if (options.help) process.stdout.write(USAGE);
else await run();

async function run(): Promise<void> {
  const stopping = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
  const workloads = choose(WORKLOADS, options.only);
  const chosen = choose(listPathKinds({ findProgram }), options.paths);
  const paths = chosen.filter(({ title, findObstacle }) => {
    const obstacle = findObstacle();
    if (obstacle !== undefined) process.stderr.write(`skipped: ${title}: ${obstacle}\n`);
    return obstacle === undefined;
  });
  const measurements: Measurement[] = [];
  if (options.profile !== undefined) mkdirSync(options.profile, { recursive: true });
  const hasWrk = findProgram("wrk") !== undefined;
  await runBench(
    { workloads, paths, rounds: options.rounds, seconds: options.seconds, hasWrk, profileFolder: options.profile },
    {
      onMeasured: (measurement) => void measurements.push(measurement),
      onProgress: (step) => process.stderr.write(`${step} …\n`),
      signal: stopping.signal,
    },
  );
  const titles = new Map(paths.map(({ name, title }) => [name, title]));
  for (const workload of workloads) {
    const summaries = paths
      .map(({ name }) => summarize(measurements, workload, name))
      .filter((one) => one !== undefined);
    process.stdout.write(`\n${formatTable(workload, summaries, titles)}`);
  }
  if (options.json !== undefined) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify({ ...describeRun(), measurements }, undefined, 2)}\n`);
  }
}

function describeRun() {
  return {
    date: new Date().toISOString(),
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
    node: process.version,
    openssl: process.versions.openssl,
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, memoryMb: Math.round(totalmem() / 2 ** 20) },
    settings: options,
  };
}

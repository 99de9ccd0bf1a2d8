/**
 * What a sidecar costs: idle, and at a fixed rate of 1 KB answers, beside the same path without sidecars. Everything runs
 * on this machine, in namespaces of its own; load by autocannon inside the client's pod.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createLogger } from "../cli/create-logger.ts";
import { startLocalCluster } from "../local/start-local-cluster.ts";
import { formatReport } from "./report.ts";
import { measureIdle, measureRounds } from "./sidecar-cost.ts";

const USAGE = "Usage: npm run bench -- [--seconds S] [--rounds N] [--rate R] [--connections C] [--json FILE]\n";
const MANIFESTS = fileURLToPath(new URL("manifests", import.meta.url));
const IDLE_SECONDS = 5;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
    rate: { type: "string", default: "1000" },
    connections: { type: "string", default: "8" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) process.stdout.write(USAGE);
else await run();

async function run(): Promise<void> {
  const stopping = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
  const bundle = bundleSidecar();
  const cluster = await startLocalCluster({
    manifests: [MANIFESTS],
    publish: [],
    images: { "bench-server": "bench/bench-server.ts", entente: bundle },
    log: createLogger("error"),
    onProgress: (step) => process.stderr.write(`${step} …\n`),
    signal: stopping.signal,
  });
  try {
    const idle = await measureIdle(cluster, IDLE_SECONDS);
    const rounds = await measureRounds(cluster, {
      seconds: Number(values.seconds),
      rounds: Number(values.rounds),
      rate: Number(values.rate),
      connections: Number(values.connections),
      onRound: ({ path, load }) => process.stderr.write(`${path}: ${load.requestsPerSecond.toFixed(0)} requests/s\n`),
    });
    process.stdout.write(formatReport(rounds, idle));
    if (values.json !== undefined) {
      mkdirSync(dirname(values.json), { recursive: true });
      writeFileSync(values.json, `${JSON.stringify({ ...describeRun(), idle, rounds }, undefined, 2)}\n`);
    }
  } finally {
    await cluster.stop();
    rmSync("dist", { recursive: true, force: true });
  }
}

/** What the image runs is what is measured. */
function bundleSidecar(): string {
  execFileSync(process.execPath, ["scripts/bundle.ts"], { stdio: ["ignore", "ignore", "inherit"] });
  return "dist/entente.mjs";
}

function describeRun() {
  return {
    date: new Date().toISOString(),
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
    node: process.version,
    openssl: process.versions.openssl,
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, memoryMb: Math.round(totalmem() / 2 ** 20) },
    settings: values,
  };
}

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Measurement, measure } from "./measure.ts";
import { bundlePrograms } from "./paths/bundle-programs.ts";
import { type CertificateFiles, writeCertificates } from "./paths/certificates.ts";
import { checkMeshHop } from "./paths/check-mesh-hop.ts";
import type { PathKind, PathName, StartedPath } from "./paths/path.ts";
import { type Child, startChild } from "./processes/child.ts";
import type { Workload } from "./workloads.ts";

export interface BenchPlan {
  readonly workloads: readonly Workload[];
  readonly paths: readonly PathKind[];
  readonly rounds: number;
  /** Of one load. */
  readonly seconds: number;
  readonly hasWrk: boolean;
  readonly profileFolder: string | undefined;
}

export interface BenchDeps {
  readonly onMeasured: (measurement: Measurement) => void;
  readonly onProgress: (step: string) => void;
  /** Ends the run after the load that is under way. */
  readonly signal: AbortSignal;
}

const BACKEND = fileURLToPath(new URL("load/backend-process.ts", import.meta.url));

/** Node compiles what is hot; before that it is not itself. */
const WARM_UP_SECONDS = 3;

/** Everything that one run has set up. */
interface Bench {
  readonly plan: BenchPlan;
  readonly deps: BenchDeps;
  readonly folder: string;
  readonly certificates: CertificateFiles;
  readonly backend: Child;
}

/** Runs every workload on every path. Whatever happens, processes and files are gone at the end. */
export async function runBench(plan: BenchPlan, deps: BenchDeps): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entente-bench-"));
  try {
    await bundlePrograms(join(folder, "programs"));
    const certificates = writeCertificates(folder, Date.now());
    const backend = await startChild({ command: [process.execPath, BACKEND], readiness: "line" });
    try {
      for (const workload of plan.workloads) await runWorkload(workload, { plan, deps, folder, certificates, backend });
    } finally {
      await backend.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Started = readonly [name: PathName, path: StartedPath];

/** New processes for each workload, so that the memory of one is not that of another; they take turns in each round. */
async function runWorkload(workload: Workload, bench: Bench): Promise<void> {
  const { plan, deps } = bench;
  const started: Started[] = [];
  try {
    for (const kind of plan.paths) {
      if (workload.needsMesh && kind.name === "none") continue;
      started.push([kind.name, await startChecked(kind, bench)]);
    }
    for (const [name, path] of started) {
      deps.onProgress(`${workload.name}: ${name} warms up`);
      if (!deps.signal.aborted) await workload.run(targetOf(path, bench, WARM_UP_SECONDS));
    }
    for (let round = 1; round <= plan.rounds; round += 1) await runRound(workload, round, { bench, started });
  } finally {
    await Promise.all(started.map(([, path]) => path.stop()));
  }
}

async function runRound(
  workload: Workload,
  round: number,
  { bench, started }: { readonly bench: Bench; readonly started: readonly Started[] },
): Promise<void> {
  for (const [pathName, path] of started) {
    if (bench.deps.signal.aborted) return;
    const target = targetOf(path, bench, bench.plan.seconds);
    bench.deps.onMeasured(await measure({ workload, pathName, round, target }));
  }
}

function targetOf(path: StartedPath, { certificates, plan }: Bench, seconds: number) {
  return { path, certificates, seconds, hasWrk: plan.hasWrk };
}

/** Starts a path, and proves that its mesh hop is what it must be. */
async function startChecked(kind: PathKind, bench: Bench): Promise<StartedPath> {
  const { plan, certificates, backend } = bench;
  const folder = join(bench.folder, kind.name);
  mkdirSync(folder, { recursive: true });
  const path = await kind.start({
    folder,
    certificates,
    backendPort: Number(backend.firstLine),
    programs: join(bench.folder, "programs"),
    profileFolder: plan.profileFolder,
  });
  const faults = path.meshPort === undefined ? [] : await checkMeshHop(path.meshPort, certificates);
  if (faults.length === 0) return path;
  await path.stop();
  throw new Error(`${kind.title} does not do mutual TLS 1.3: ${faults.join("; ")}`);
}

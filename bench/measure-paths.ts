import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Measurement, measure } from "./measure.ts";
import { bundlePrograms } from "./paths/bundle-programs.ts";
import { type CertificateFiles, writeCertificates } from "./paths/certificates.ts";
import { checkClientSide, startHopRecorder } from "./paths/check-client-side.ts";
import { checkMeshHop } from "./paths/check-mesh-hop.ts";
import type { ApplicationProtocol, PathKind, PathName, PathSurroundings, StartedPath } from "./paths/path.ts";
import { type Batch, planBatches } from "./plan-batches.ts";
import { type Child, startChild } from "./processes/child.ts";
import type { PathWorkload } from "./workload.ts";

export interface PathsPlan {
  readonly workloads: readonly PathWorkload[];
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

const BACKENDS: Readonly<Record<ApplicationProtocol, string>> = {
  "http/1.1": fileURLToPath(new URL("load/backend-process.ts", import.meta.url)),
  h2: fileURLToPath(new URL("load/grpc-backend-process.ts", import.meta.url)),
};

/** Node compiles what is hot; before that it is not itself. */
const WARM_UP_SECONDS = 2;

/** Everything that one run has set up. */
interface Bench {
  readonly plan: PathsPlan;
  readonly deps: BenchDeps;
  readonly folder: string;
  readonly certificates: CertificateFiles;
  readonly backends: Readonly<Record<ApplicationProtocol, Child>>;
  /** Paths whose client's side has been checked, with what the application speaks. */
  readonly checked: Set<string>;
}

/** Runs every workload on every path. Whatever happens, processes and files are gone at the end. */
export async function measurePaths(plan: PathsPlan, deps: BenchDeps): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entente-bench-"));
  try {
    await bundlePrograms(join(folder, "programs"));
    const certificates = writeCertificates(folder, Date.now());
    const backends = {
      "http/1.1": await startChild({ command: [process.execPath, BACKENDS["http/1.1"]], readiness: "line" }),
      h2: await startChild({ command: [process.execPath, BACKENDS.h2], readiness: "line" }),
    };
    const bench = { plan, deps, folder, certificates, backends, checked: new Set<string>() };
    try {
      for (const workload of plan.workloads) await runWorkload(workload, bench);
    } finally {
      await Promise.all(Object.values(backends).map((backend) => backend.stop()));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Processes are new for each workload, so that the memory of one is not that of another; they take turns in each round. */
async function runWorkload(workload: PathWorkload, bench: Bench): Promise<void> {
  const { paths } = bench.plan;
  const batches = planBatches({ paths, rounds: bench.plan.rounds, workload });
  for (const batch of batches) {
    if (!bench.deps.signal.aborted) await runBatch(workload, batch, bench);
  }
}

async function runBatch(workload: PathWorkload, batch: Batch, bench: Bench): Promise<void> {
  const { deps } = bench;
  const started = new Map<PathName, StartedPath>();
  try {
    for (const kind of batch.paths) started.set(kind.name, await startChecked(kind, workload.application, bench));
    for (const path of started.values()) {
      if (deps.signal.aborted) return;
      await workload.run(targetOf(path, bench, { isWarmUp: true }));
    }
    for (const { round, pathName } of batch.turns) {
      const path = started.get(pathName);
      if (path === undefined || deps.signal.aborted) return;
      deps.onProgress(`${workload.name}, round ${round}: ${pathName}`);
      const target = targetOf(path, bench, { isWarmUp: false });
      const { proxies } = path;
      const run = () => workload.run(target);
      deps.onMeasured(await measure({ workload: workload.name, path: pathName, round, proxies, run }));
    }
  } finally {
    await Promise.all([...started.values()].map((path) => path.stop()));
  }
}

function targetOf(path: StartedPath, { certificates, plan }: Bench, { isWarmUp }: { readonly isWarmUp: boolean }) {
  const seconds = isWarmUp ? WARM_UP_SECONDS : plan.seconds;
  return { path, certificates, seconds, isWarmUp, hasWrk: plan.hasWrk };
}

/** Starts a path, and proves that its mesh hop is what it must be. */
async function startChecked(kind: PathKind, application: ApplicationProtocol, bench: Bench): Promise<StartedPath> {
  const { plan, certificates, backends } = bench;
  const folder = join(bench.folder, kind.name);
  mkdirSync(folder, { recursive: true });
  const surroundings = {
    ...{ folder, certificates, application, backendPort: Number(backends[application].firstLine) },
    programs: join(bench.folder, "programs"),
    profileFolder: plan.profileFolder,
  };
  const faults = [...(await findClientFaults(kind, surroundings, bench))];
  const path = await kind.start(surroundings);
  if (path.meshPort !== undefined) {
    faults.push(...(await checkMeshHop({ port: path.meshPort, application, certificates })));
  }
  if (faults.length === 0) return path;
  await path.stop();
  throw new Error(`the mesh hop of ${kind.title} is not what it must be: ${faults.join("; ")}`);
}

/** Once in a run, for it needs a start of its own. */
async function findClientFaults(kind: PathKind, surroundings: PathSurroundings, bench: Bench) {
  const { application, certificates } = surroundings;
  const hop = kind.hops[application];
  const key = `${kind.name} ${application}`;
  if (hop === undefined || kind.name === "none" || bench.checked.has(key)) return [];
  bench.checked.add(key);
  const recorder = await startHopRecorder(certificates);
  const path = await kind.start({ ...surroundings, profileFolder: undefined, dialledPort: recorder.port });
  const faults = await checkClientSide(path.port, recorder, { application, hop });
  await path.stop();
  recorder.stop();
  return faults;
}

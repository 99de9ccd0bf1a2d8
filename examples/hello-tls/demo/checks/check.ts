import type { DemoCluster } from "../demo-cluster.ts";
import type { DemoPod } from "../pods/demo-pod.ts";
import type { RootRotation } from "../trust/root-rotation.ts";
import type { RotationWatch } from "./rotation-watch.ts";
import type { Traffic } from "./traffic.ts";

/** One thing that was claimed and looked at. */
export interface Finding {
  readonly claim: string;
  readonly passed: boolean;
  readonly expected: string;
  readonly seen: string;
}

export interface ReportTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface CheckResult {
  readonly findings: readonly Finding[];
  readonly table?: ReportTable;
  /** Said under the findings, for the reader's understanding. */
  readonly notes?: readonly string[];
}

/** What every check is given. Traffic runs from the first check to the last, and its failures are counted. */
export interface CheckContext {
  readonly cluster: DemoCluster;
  readonly traffic: Traffic;
  readonly rotation: RotationWatch;
  readonly rootRotation: RootRotation;
  /** A folder of this run's own, removed afterwards. */
  readonly scratchFolder: string;
  readonly signal: AbortSignal;
}

export interface Check {
  readonly letter: string;
  readonly title: string;
  /** A rotation of the root is requested before the first check. */
  readonly needsRootRotation?: boolean;
  /** Whose logs explain a failure. */
  readonly suspects: (cluster: DemoCluster) => readonly DemoPod[];
  run(context: CheckContext): Promise<CheckResult>;
}

/** A claim that holds when what was seen is what was expected, to the letter. */
export function findEqual(claim: string, expected: string, seen: string): Finding {
  return { claim, passed: expected === seen, expected, seen };
}

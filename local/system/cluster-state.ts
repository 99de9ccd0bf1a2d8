import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { MeshError } from "../../mesh/mesh-error.ts";
import { LocalError } from "../local-error.ts";
import { formatHostsFile } from "../network/hosts-file.ts";
import { namedServices } from "../network/service-names.ts";
import { formatServiceRules } from "../network/service-rules.ts";
import { serviceSlices } from "../network/service-slices.ts";
import { type LocalService, type ServicePod, serviceRules } from "../network/services.ts";
import type { LocalPod } from "../pods/local-pod.ts";
import { recordOf } from "../read-manifests.ts";
import { runProgram } from "../run-program.ts";
import type { ClusterStore } from "./cluster-store.ts";

/** A pod of the node, with its state in the cluster. */
export interface HostedPod {
  readonly pod: LocalPod;
  /** In the order in which pods were planned. */
  readonly index: number;
  /** As admitted. */
  readonly object: Readonly<Record<string, unknown>>;
  readonly hostsFile: string;
  /**
   * `starting` until it has been ready once; `unready` after one of its containers has exited; `terminating` when the
   * cluster knows that it was deleted.
   */
  state: "starting" | "ready" | "unready" | "terminating";
}

/** Updates everything that depends on the pods' state: names, Service rules, stored objects. */
export interface ClusterState {
  publish(pods: readonly HostedPod[]): void;
}

export function createClusterState(store: ClusterStore, services: readonly LocalService[]): ClusterState {
  let rules = "";
  let stored: ReadonlySet<string> = new Set();
  return {
    publish: (hosted) => {
      const pods = hosted.map(describeForServices);
      const names = namedServices(services, pods);
      for (const { pod, hostsFile } of hosted) {
        rewrite(hostsFile, formatHostsFile({ name: pod.name, namespace: pod.namespace, ip: pod.ip }, names));
      }
      const next = formatServiceRules(serviceRules(services, pods));
      if (next !== rules) applyRules(next);
      rules = next;
      stored = storePods(store, hosted, stored);
      store.put("endpoint-slices", serviceSlices(services, pods));
    },
  };
}

/** Each pod is a file: the control plane reads again only those that have changed. @returns the files' keys */
function storePods(
  store: ClusterStore,
  hosted: readonly HostedPod[],
  before: ReadonlySet<string>,
): ReadonlySet<string> {
  const keys = hosted.map((one) => {
    const key = `pod-${one.index}`;
    store.put(key, [storedPod(one)]);
    return key;
  });
  const present = new Set(keys);
  for (const key of before) if (!present.has(key)) store.remove(key);
  return present;
}

/** The legacy iptables programs of all network namespaces share one lock, which another program may hold. */
const LOCK_WAIT_SECONDS = "30";

function applyRules(rules: string): void {
  try {
    runProgram("iptables-restore", ["--wait", LOCK_WAIT_SECONDS], { input: rules });
  } catch (cause) {
    const needed = "nf_nat, xt_statistic, xt_MASQUERADE, ipt_REJECT";
    throw new LocalError(
      "unfit_machine",
      `this machine's kernel does not support the rules for Services; it needs ${needed}: ${MeshError.from(cause).message}`,
      { cause },
    );
  }
}

/**
 * Written in place, because containers have this file mounted, and in one write, because they may read it at any time.
 */
function rewrite(file: string, text: string): void {
  if (textOf(file) === text) return;
  const bytes = Buffer.from(text);
  writeFileSync(file, "", { flag: "a", mode: 0o644 });
  const fd = openSync(file, "r+");
  try {
    writeSync(fd, bytes, 0, bytes.length, 0);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function describeForServices({ pod, state }: HostedPod): ServicePod {
  const ports = pod.manifest.spec.containers.flatMap((container) => container.ports ?? []);
  const named = ports.flatMap(({ name, containerPort }): [string, number][] => (name ? [[name, containerPort]] : []));
  return {
    name: pod.name,
    namespace: pod.namespace,
    labels: pod.labels,
    ip: pod.ip,
    isReady: state === "ready",
    isTerminating: state === "terminating",
    namedPorts: new Map(named),
  };
}

/** Any time: only its presence matters. */
const DELETED_AT = "2026-01-01T00:00:00Z";

/** A pod as the API server would store it, with its status. */
function storedPod({ pod, object, state }: HostedPod): unknown {
  // The kubelet's probes find out later than the deletion.
  const isReady = state === "ready" || state === "terminating";
  const conditions = [{ type: "Ready", status: isReady ? "True" : "False" }];
  const deletion = state === "terminating" ? { deletionTimestamp: DELETED_AT } : {};
  const metadata = { ...recordOf(object["metadata"]), ...deletion };
  return { ...object, metadata, status: { phase: "Running", podIP: pod.ip, podIPs: [{ ip: pod.ip }], conditions } };
}

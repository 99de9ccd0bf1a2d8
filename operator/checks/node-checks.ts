import { NEWEST_MINOR } from "../../kubernetes/kinds.ts";
import type { KubernetesObject, ServerVersion } from "../../kubernetes/kubernetes-api.ts";
import { type CheckGroup, type CheckOutcome, failed, ok, warning } from "./check.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { both, judge } from "./fact.ts";
import { textAt } from "./object-fields.ts";
import { SHOWN } from "./proxy-pods.ts";

/** Whether the nodes can run sidecars, by what their kubelets report of them. Windows nodes are left out. */
export function checkNodes({ nodes, version }: ClusterFacts): CheckGroup {
  return {
    name: "nodes",
    checks: [
      { title: "nodes can run sidecars", outcome: judge(nodes, judgePlatforms) },
      { title: `their kernels are Linux ${MIN_KERNEL.join(".")} or later`, outcome: onLinux(nodes, judgeKernels) },
      { title: "their container runtimes are supported", outcome: onLinux(nodes, judgeRuntimes) },
      {
        title: "their kubelets fit the API server",
        outcome: judge(both(nodes, version), ([all, server]) => judgeKubelets(all.filter(isLinux), server)),
      },
    ],
  };
}

/** The oldest kernel that Node 24 supports. It also has the modules that redirect connections, of both IP versions. */
const MIN_KERNEL = [4, 18] as const;
/** The image is built for these. */
const ARCHITECTURES = ["amd64", "arm64"];
/** The oldest versions that speak the interface (CRI v1) of the supported kubelets. */
const MIN_RUNTIMES: Readonly<Record<string, readonly [number, number]>> = { containerd: [1, 6], "cri-o": [1, 26] };
/** Of the first kubelet that runs native sidecars by default. */
const NATIVE_SIDECARS_MINOR = 29;
/** Kubernetes' version skew policy: a kubelet may be so many minor versions older than the API server, and none newer. */
const MAX_SKEW = 3;

function onLinux(
  nodes: ClusterFacts["nodes"],
  decide: (linux: readonly KubernetesObject[]) => CheckOutcome,
): CheckOutcome {
  return judge(nodes, (all) => decide(all.filter(isLinux)));
}

function judgePlatforms(nodes: readonly KubernetesObject[]): CheckOutcome {
  const linux = nodes.filter(isLinux);
  if (linux.length === 0) return failed("there is no Linux node", "add one: sidecars and the control plane need Linux");
  const others = nodes.filter((node) => !isLinux(node));
  const left = others.length === 0 ? "" : `; no sidecars on ${describe(others, "operatingSystem")}`;
  const message = `${linux.length} of ${nodes.length} run Linux${left}`;
  const foreign = linux.filter((node) => !ARCHITECTURES.includes(infoOf(node, "architecture")));
  if (foreign.length === 0) return ok(message);
  const text = `${message}; ${describe(foreign, "architecture")} is neither ${ARCHITECTURES.join(" nor ")}`;
  return warning(text, "build an image for it");
}

function judgeKernels(linux: readonly KubernetesObject[]): CheckOutcome {
  const old = linux.filter((node) => !isAtLeast(infoOf(node, "kernelVersion"), MIN_KERNEL));
  if (old.length === 0) return ok();
  return failed(
    `too old or not known: ${describe(old, "kernelVersion")}`,
    "upgrade these nodes, or keep injected pods away from them; entente check --local tries a node itself",
  );
}

function judgeRuntimes(linux: readonly KubernetesObject[]): CheckOutcome {
  const doubtful = linux.filter((node) => {
    const [name = "", version = ""] = infoOf(node, "containerRuntimeVersion").split("://");
    const least = MIN_RUNTIMES[name];
    return least === undefined || !isAtLeast(version, least);
  });
  if (doubtful.length === 0) return ok();
  const known = Object.entries(MIN_RUNTIMES).map(([name, least]) => `${name} ${least.join(".")}`);
  return warning(
    `not tried: ${describe(doubtful, "containerRuntimeVersion")}`,
    `${known.join(" and ")} or later are supported`,
  );
}

function judgeKubelets(linux: readonly KubernetesObject[], server: ServerVersion): CheckOutcome {
  const minorOf = (node: KubernetesObject): number =>
    Number(/^v1\.(\d+)/.exec(infoOf(node, "kubeletVersion"))?.[1] ?? Number.NaN);
  const skewed = linux.filter((node) => !(server.minor - minorOf(node) <= MAX_SKEW && minorOf(node) <= server.minor));
  if (skewed.length > 0) {
    return failed(
      `${describe(skewed, "kubeletVersion")}, and the API server ${server.gitVersion}`,
      `Kubernetes supports kubelets of the same and of ${MAX_SKEW} earlier minor versions: upgrade the older part`,
    );
  }
  const withoutNative = linux.filter((node) => minorOf(node) < NATIVE_SIDECARS_MINOR);
  if (withoutNative.length > 0) {
    const text = `${describe(withoutNative, "kubeletVersion")} is older than 1.${NATIVE_SIDECARS_MINOR}`;
    return warning(`${text}: no native sidecars, so Jobs do not end`, "upgrade these nodes");
  }
  const untried = linux.filter((node) => minorOf(node) > NEWEST_MINOR);
  if (untried.length === 0) return ok();
  return warning(`not tried yet: ${describe(untried, "kubeletVersion")}`, "report what does not work");
}

function isLinux(node: KubernetesObject): boolean {
  return infoOf(node, "operatingSystem") === "linux";
}

/** A field of `status.nodeInfo`; empty if the kubelet does not report it. */
function infoOf(node: KubernetesObject, field: string): string {
  return textAt(node, "status", "nodeInfo", field) ?? "";
}

/** Whether a version such as `5.15.0-91-generic` begins with a major and a minor number that are not below these. */
function isAtLeast(version: string, [leastMajor, leastMinor]: readonly [number, number]): boolean {
  const [, major = "", minor = ""] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === "") return false;
  return Number(major) > leastMajor || (Number(major) === leastMajor && Number(minor) >= leastMinor);
}

function describe(nodes: readonly KubernetesObject[], field: string): string {
  const shown = nodes.slice(0, SHOWN).map((node) => `${node.metadata.name} (${infoOf(node, field) || "not known"})`);
  return `${shown.join(", ")}${nodes.length > SHOWN ? ` and ${nodes.length - SHOWN} more` : ""}`;
}

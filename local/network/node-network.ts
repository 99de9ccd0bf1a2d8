import { existsSync, writeFileSync } from "node:fs";
import { MeshError } from "../../mesh/mesh-error.ts";
import { LocalError } from "../local-error.ts";
import { runProgram } from "../run-program.ts";
import { GATEWAY_IP, SERVICE_NETWORK } from "./addresses.ts";
import { enterNetworkNamespace, NETNS_FOLDER } from "./network-namespace.ts";

/** A pod's network. */
export interface PodNetwork {
  /** The namespace's name in `ip netns`. */
  readonly namespace: string;
  readonly ip: string;
  /** The end of the pod's link in the node's namespace. */
  readonly hostInterface: string;
}

/**
 * Creates the namespace with the routing and moves this process into it. Pods are routed, not bridged: each has its own
 * link, and the link's outer end has the gateway's address. So everything that a pod sends is routed here, and Service
 * addresses can be translated for requests and responses.
 * @returns the function that moves this process back
 */
export function createNodeNetwork(namespace: string): () => void {
  try {
    runProgram("ip", ["netns", "add", namespace]);
    const leave = enterNetworkNamespace(namespace);
    // A Service's address needs a route before it is translated; this process sends from the gateway's address.
    batch([
      "link set lo up",
      `addr add ${GATEWAY_IP}/32 dev lo`,
      `route add ${SERVICE_NETWORK} dev lo src ${GATEWAY_IP}`,
    ]);
    // These files show the namespace of the thread that opens them, so they are written on this thread.
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    // A pod that calls itself through a Service is routed back over its own link; it must not receive a redirect.
    writeFileSync("/proc/sys/net/ipv4/conf/all/send_redirects", "0");
    writeFileSync("/proc/sys/net/ipv4/conf/default/send_redirects", "0");
    return leave;
  } catch (caught) {
    const { message } = MeshError.from(caught);
    const fix = "run this as root on the machine; in a container, start it with --privileged";
    throw new LocalError("unfit_machine", `network namespaces cannot be created here (${message}); ${fix}`, {
      cause: caught,
    });
  }
}

/** The prefix of all our link names. A link's name has at most 15 bytes, so a run's id does not fit. */
export const LINK_PREFIX = "ent-pod";

/** The name of the end of a pod's link in the node's namespace. */
export function linkName(podIndex: number): string {
  return `${LINK_PREFIX}${podIndex}`;
}

/** Creates a pod's namespace and its link. The pod has a single address; everything else is behind the gateway. */
export function createPodNetwork(namespace: string, hostInterface: string, ip: string): PodNetwork {
  runProgram("ip", ["netns", "add", namespace]);
  runProgram("ip", ["link", "add", hostInterface, "type", "veth", "peer", "name", "eth0", "netns", namespace]);
  batch([
    `addr add ${GATEWAY_IP}/32 dev ${hostInterface}`,
    `link set ${hostInterface} up`,
    `route add ${ip}/32 dev ${hostInterface}`,
  ]);
  batch(
    [
      "link set lo up",
      `addr add ${ip}/32 dev eth0`,
      "link set eth0 up",
      `route add ${GATEWAY_IP} dev eth0 scope link`,
      `route add default via ${GATEWAY_IP}`,
    ],
    namespace,
  );
  // As in container runtimes: lets a gateway listen on port 80 without root.
  runProgram("ip", ["netns", "exec", namespace, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start"]);
  return { namespace, ip, hostInterface };
}

function batch(lines: readonly string[], namespace?: string): void {
  const inside = namespace === undefined ? [] : ["-n", namespace];
  runProgram("ip", [...inside, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

const REMOVAL_ATTEMPTS = 3;

/**
 * Removes a namespace with its links, rules and processes; a missing one is not an error. A failure is retried, because
 * a second Ctrl-C also reaches the programs that are called here.
 */
export function removeNamespace(name: string): void {
  for (let attempt = 1; existsSync(`${NETNS_FOLDER}/${name}`); attempt++) {
    try {
      for (const pid of processesIn(name)) killIfThere(pid);
      runProgram("ip", ["netns", "delete", name]);
    } catch (caught) {
      if (attempt === REMOVAL_ATTEMPTS) throw caught;
    }
  }
}

/** All processes except this one, which may still be in the namespace. */
function processesIn(namespace: string): readonly number[] {
  const pids = runProgram("ip", ["netns", "pids", namespace])
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
  return pids.filter((pid) => pid !== process.pid);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // The process has exited meanwhile.
  }
}

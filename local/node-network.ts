import { existsSync, writeFileSync } from "node:fs";
import { GATEWAY_IP, SERVICE_NETWORK } from "./addresses.ts";
import { enterNetworkNamespace, NETNS_FOLDER } from "./network-namespace.ts";
import { runProgram } from "./run-program.ts";

/** A pod's place in the network. */
export interface PodNetwork {
  /** The namespace's name, as `ip netns` knows it. */
  readonly namespace: string;
  readonly ip: string;
  /** The end of the pod's link in the node's namespace. */
  readonly hostInterface: string;
}

/**
 * Makes the namespace that holds the routing and moves this process into it. Pods are routed, not bridged: each has a
 * link of its own whose outer end carries the gateway's address, so that all that a pod sends is routed here, and
 * Service addresses can be translated here for it and for its answers alike.
 */
export function createNodeNetwork(runId: string): void {
  const namespace = nodeNamespace(runId);
  runProgram("ip", ["netns", "add", namespace]);
  enterNetworkNamespace(namespace);
  // A Service's address needs a route before its translation; what this process sends comes from the gateway's address.
  batch([
    "link set lo up",
    `addr add ${GATEWAY_IP}/32 dev lo`,
    `route add ${SERVICE_NETWORK} dev lo src ${GATEWAY_IP}`,
  ]);
  // These files show the namespace of the thread that opens them, so they are written on this one.
  writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
}

export function nodeNamespace(runId: string): string {
  return `entente-${runId}-node`;
}

/** Makes a pod's namespace and its link; the address is the pod's alone, everything else lies behind the gateway. */
export function createPodNetwork(runId: string, index: number, ip: string): PodNetwork {
  const namespace = `entente-${runId}-pod${index}`;
  const hostInterface = `pod${index}`;
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
  // As container runtimes do, so that a gateway may listen on port 80 without being root.
  runProgram("ip", ["netns", "exec", namespace, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start"]);
  return { namespace, ip, hostInterface };
}

function batch(lines: readonly string[], namespace?: string): void {
  const inside = namespace === undefined ? [] : ["-n", namespace];
  runProgram("ip", [...inside, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

/** Takes a namespace away, and with it its links and rules; one that is gone already is no error. */
export function removeNamespace(name: string): void {
  if (existsSync(`${NETNS_FOLDER}/${name}`)) runProgram("ip", ["netns", "delete", name]);
}

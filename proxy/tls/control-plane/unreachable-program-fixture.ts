/**
 * A sidecar's connection to an unreachable control plane, in the network namespace in which it is started. Its argument
 * selects the kind of outage; it prints its observations as one line of JSON.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { Inbound } from "../../../mesh/policy/types.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../../mesh/runtime.ts";
import { startWorkloadTls } from "../workload-tls.ts";
import { ControlPlaneFixture, HELLO } from "./control-plane-fixture.ts";
import { meshOf } from "./hello-mesh-fixture.ts";
import { Heard } from "./stream-fixture.ts";

export interface UnreachableReport {
  /** While it was unreachable. */
  readonly reasons: readonly string[];
  readonly hasCertificate: boolean;
  readonly modeMeanwhile: string | undefined;
  /** Attempts to connect that failed between the control plane's return and the arrival of a change of policy. */
  readonly failedAfterwards: number;
  /** Sockets to the control plane in the state SYN-SENT, some time after its return. */
  readonly stillConnecting: number;
}

/** How the control plane becomes unreachable, and reachable again. */
interface Outage {
  begin(plane: ControlPlaneFixture): Promise<void>;
  end(plane: ControlPlaneFixture): Promise<void>;
}

function iptables(...rule: readonly string[]): void {
  execFileSync("iptables", ["-w", ...rule], { stdio: "ignore" });
}

const toPort = (port: number, flags: readonly string[] = []): readonly string[] => [
  ..."OUTPUT -o lo -p tcp --dport".split(" "),
  String(port),
  ...flags,
  ..."-j DROP".split(" "),
];

const silentSockets = new Set<Socket>();
let silent: Server | undefined;

const OUTAGES: Readonly<Record<string, Outage>> = {
  // A node that is down, or a Service without endpoints: there is no response to a SYN.
  "dropped-syn": {
    begin: async (plane) => {
      iptables("-A", ...toPort(plane.port, ["--syn"]));
      await plane.stop();
    },
    end: async (plane) => {
      await plane.listen();
      iptables("-D", ...toPort(plane.port, ["--syn"]));
    },
  },
  // A stopped process: the kernel still accepts.
  "accepted-and-silent": {
    begin: async (plane) => {
      await plane.stop();
      silent = createServer((socket) => silentSockets.add(socket.on("error", () => undefined)));
      await once(silent.listen(plane.port, "localhost"), "listening");
    },
    end: async (plane) => {
      for (const socket of silentSockets) socket.destroy();
      await new Promise((resolve) => silent?.close(resolve));
      await plane.listen();
    },
  },
  // A connection of which one end has vanished silently, and whose packets are dropped.
  "half-open": {
    begin: async (plane) => iptables("-A", ...toPort(plane.port)),
    end: async (plane) => iptables("-D", ...toPort(plane.port)),
  },
};

async function run(outage: Outage): Promise<UnreachableReport> {
  const plane = await ControlPlaneFixture.start();
  const log = new RecordingLogger();
  const failures = () => log.find("no connection to the control plane");
  const { rootFile: rootCertificateFile, tokenFile, address } = plane;
  const workload = { namespace: "ns1", name: "hello-1" };
  const random = Math.random;
  const clock = systemClock;
  const tls = await startWorkloadTls({
    ...{ rootCertificateFile, tokenFile, address, workload, random, clock, log },
    identity: HELLO,
    version: "test",
    pingIntervalMs: 500,
  });
  const inbound = new Heard<Inbound>();
  tls.discovery.watchInbound(inbound.listener);
  await inbound.until(({ defaultMode }) => defaultMode.mode === "STRICT");
  const connection = new Heard<boolean>();
  tls.discovery.onConnection(connection.listener);
  await outage.begin(plane);
  await connection.until((connected) => !connected);
  // Two attempts have ended by their own time limit: otherwise there would be no third.
  while (failures().length < 2) await log.seen("no connection to the control plane").then(pause);
  const reasons = failures().map(({ message }) => message);
  const meanwhile = {
    hasCertificate: tls.source.current() !== undefined,
    modeMeanwhile: inbound.values.at(-1)?.defaultMode.mode,
  };
  await outage.end(plane);
  const failedBefore = failures().length;
  plane.change(meshOf("DISABLE"));
  await inbound.until(({ defaultMode }) => defaultMode.mode === "DISABLE");
  const failedAfterwards = failures().length - failedBefore;
  const sockets = execFileSync("ss", ["-Htn", "state", "syn-sent"], { encoding: "utf8" });
  tls.close();
  await plane.dispose();
  return { reasons, ...meanwhile, failedAfterwards, stillConnecting: sockets.split("\n").filter(Boolean).length };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

const outage = OUTAGES[process.argv[2] ?? ""];
if (outage === undefined) throw new Error(`the outage is one of ${Object.keys(OUTAGES).join(", ")}`);
process.stdout.write(`${JSON.stringify(await run(outage))}\n`);
process.exit(0);

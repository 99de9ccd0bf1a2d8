/**
 * A proxy whose control plane first sends a trust bundle that cannot be read, in the network namespace in which it is
 * started. Its argument is the role; it prints its observations as one line of JSON.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { errnoOf } from "../mesh/mesh-error.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import { runGateway } from "./run-gateway.ts";
import { INBOUND_PORT, OUTBOUND_PORT, runSidecar } from "./run-sidecar.ts";
import { ControlPlaneFixture, HELLO } from "./tls/control-plane/control-plane-fixture.ts";

export interface FirstBundleReport {
  /** While the bundle cannot be read. */
  readonly readinessBefore: string;
  readonly listeningBefore: readonly number[];
  /** After the first one that can be read. */
  readonly readinessAfter: string;
  readonly listeningAfter: readonly number[];
}

async function readReadiness(): Promise<string> {
  const response = await fetch("http://127.0.0.1:15021/healthz/ready").catch(() => undefined);
  return response === undefined ? "" : `${response.status} ${(await response.text()).trim()}`;
}

async function listPorts(): Promise<readonly number[]> {
  const ports = await Promise.all(
    [INBOUND_PORT, OUTBOUND_PORT].map(async (port) => {
      const socket = connect({ port, host: "127.0.0.1" });
      const isOpen = await once(socket, "connect").then(
        () => true,
        // The proxy resets what was not redirected to it.
        (error: unknown) => error instanceof Error && errnoOf(error) === "ECONNRESET",
      );
      socket.destroy();
      return isOpen ? [port] : [];
    }),
  );
  return ports.flat();
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function run(role: string): Promise<FirstBundleReport> {
  const plane = await ControlPlaneFixture.start();
  plane.revocations = { certificates: [{ serialNumber: "not a number" }], identities: [] };
  const log = new RecordingLogger();
  const stopping = new AbortController();
  const config = {
    ...{ pod: { namespace: "ns1", name: "hello-1" }, identity: HELLO, trustDomain: plane.trustDomain },
    ...{ controlPlane: { host: "localhost", port: plane.port }, tokenFile: plane.tokenFile },
    ...{ rootCertificateFile: plane.rootFile, podIp: undefined, applicationProbes: "", applicationMetrics: "" },
    ...{ accessLogFile: undefined, maxMetricsBytes: 8 * 1024 ** 2, drain: { acceptMs: 0, deadlineMs: 0 } },
    messageLimits: {},
  };
  const deps = { config, version: "test", clock: systemClock, random: () => 0, log };
  const running = (role === "gateway" ? runGateway : runSidecar)(deps, stopping.signal);
  await waitFor(async () => log.find("an invalid response was ignored").length > 0);
  // What it had to wait for in any case has arrived, too.
  await waitFor(async () => (await readReadiness()).includes("trust bundle"));
  const before = { readinessBefore: await readReadiness(), listeningBefore: await listPorts() };
  plane.revoke({ certificates: [{ serialNumber: "ABC" }], identities: [] });
  await waitFor(async () => (await readReadiness()).startsWith("200 "));
  const after = { readinessAfter: await readReadiness(), listeningAfter: await listPorts() };
  stopping.abort();
  await running;
  await plane.dispose();
  return { ...before, ...after };
}

process.stdout.write(`${JSON.stringify(await run(process.argv[2] ?? ""))}\n`);
process.exit(0);

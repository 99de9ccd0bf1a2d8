/**
 * For tests: both sides of a sidecar and its readiness port as a separate process, to be started under a low limit of
 * descriptors. Its argument is the port of an application on loopback. It prints its own ports as JSON, and for each
 * line of its standard input its open resources.
 */
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { readDescriptorLimit } from "../net/descriptor-limit.ts";
import { startReadinessServer } from "./admin/status-server.ts";
import { decideConnectionLimits } from "./connections/limits/decide-connection-limits.ts";
import { startInboundSide } from "./inbound-side-fixture.ts";
import { meshDestination } from "./mesh-identities-fixture.ts";
import { startOutboundSide } from "./outbound-side-fixture.ts";

/** `all`: not even one was left for counting. */
function countDescriptors(): number | "all" {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return "all";
  }
}

const applicationPort = Number(process.argv[2]);
const cleanup = new Cleanup();
const limits = decideConnectionLimits(readDescriptorLimit());
const inbound = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort, connectionLimits: limits });
const outbound = await startOutboundSide(cleanup, {
  destination: meshDestination([applicationPort], { mutualTls: false }),
  maxConnections: limits.maxPerDirection,
});
const readiness = await startReadinessServer({
  port: 0,
  host: "127.0.0.1",
  readiness: () => ({ ready: true }),
  log: new RecordingLogger(),
});
const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
print({ inbound: inbound.port, outbound: outbound.port, readiness: readiness.port });
for await (const _line of createInterface({ input: process.stdin })) {
  print({
    descriptors: countDescriptors(),
    connections: inbound.registry.size,
    silent: inbound.caps.plaintext.size,
    unproved: inbound.caps.unproved.size,
  });
}
process.exit();

import { afterEach, describe, expect, it } from "vitest";
import type { DeclaredProtocol, ServerMode } from "../../mesh/policy/types.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { type InboundSide, startInboundSide } from "../inbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

interface Application {
  readonly port: number;
  readonly received: () => number;
}

/** An application that counts what it receives, and sends nothing. */
async function startApplication(): Promise<Application> {
  let received = 0;
  const port = await listen(cleanup, (socket) => {
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    socket.on("end", () => socket.end());
  });
  return { port, received: () => received };
}

interface Scenario {
  readonly name: string;
  readonly from: ServerMode;
  readonly protocol?: DeclaredProtocol;
  /** What the client sends before the change may come. */
  readonly before: string;
  /** What it sends afterwards; then it half-closes. */
  readonly after: string;
}

const SCENARIOS: readonly Scenario[] = [
  { name: "silent under PERMISSIVE, then a word without a line end", from: "PERMISSIVE", before: "", after: "word" },
  { name: "silent under DISABLE, then a word without a line end", from: "DISABLE", before: "", after: "word" },
  { name: "a word at once under PERMISSIVE", from: "PERMISSIVE", before: "word", after: "" },
  { name: "a word at once under DISABLE", from: "DISABLE", before: "word", after: "" },
  { name: "half a line, then the rest, under PERMISSIVE", from: "PERMISSIVE", before: "half", after: " line\n" },
  { name: "half a line, then the rest, under DISABLE", from: "DISABLE", before: "half", after: " line\n" },
  { name: "bytes of a declared stream", from: "PERMISSIVE", protocol: "tcp", before: "a", after: "b" },
  {
    name: "silent on a declared HTTP port",
    from: "DISABLE",
    protocol: "http",
    before: "",
    after: "GET / HTTP/1.1\r\n",
  },
  {
    name: "half a request on a declared HTTP port",
    from: "PERMISSIVE",
    protocol: "http",
    before: "GET / H",
    after: "",
  },
  {
    name: "HTTP/2 on a declared HTTP port",
    from: "PERMISSIVE",
    protocol: "http",
    before: "PRI * HTTP/2.0\r\n",
    after: "",
  },
];

/** Bytes that the proxy has delivered to the application so far. */
function deliveredBytes(side: InboundSide): number {
  return side.registry
    .list()
    .filter(({ stage }) => stage === "open")
    .reduce((sum, connection) => sum + connection.bytes().received, 0);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * One client in one scenario. The port becomes STRICT when `isDue` returns true; it is called at each read of the
 * policy and at each turn of the event loop. From then on no more bytes may be delivered.
 */
async function playUntilStrict(scenario: Scenario, change: { readonly reads: number } | { readonly turns: number }) {
  const application = await startApplication();
  let reads = 0;
  let delivered: number | undefined;
  const becomeStrict = (): void => {
    if (delivered !== undefined) return;
    delivered = deliveredBytes(side);
    side.setMode("STRICT");
  };
  const side = await startInboundSide(cleanup, {
    mode: scenario.from,
    applicationPort: application.port,
    ...(scenario.protocol === undefined ? {} : { protocol: scenario.protocol }),
    limits: { silenceMs: 1 },
    onPolicyRead: () => {
      reads += 1;
      if ("reads" in change && reads === change.reads) queueMicrotask(becomeStrict);
    },
  });
  const client = connectClient(cleanup, side.port);
  const over = readAll(client);
  if (scenario.before !== "") client.write(scenario.before);
  await turns("turns" in change ? change.turns : 40);
  becomeStrict();
  client.end(scenario.after);
  await over;
  await turns(10);
  return { delivered, received: application.received(), open: side.registry.size };
}

describe("a port that becomes STRICT while a plaintext connection is being opened", () => {
  it.each(SCENARIOS)(
    "delivers nothing more, whichever read of the policy was the last one before it: $name",
    async (scenario) => {
      for (let reads = 1; reads <= 12; reads += 1) {
        const { delivered, received, open } = await playUntilStrict(scenario, { reads });
        expect({ reads, open }).toEqual({ reads, open: 0 });
        expect(received).toBeLessThanOrEqual(delivered ?? 0);
      }
    },
  );

  it.each(SCENARIOS)("delivers nothing more, at whichever turn of the event loop it comes: $name", async (scenario) => {
    for (let count = 0; count <= 24; count += 1) {
      const { delivered, received, open } = await playUntilStrict(scenario, { turns: count });
      expect({ count, open }).toEqual({ count, open: 0 });
      expect(received).toBeLessThanOrEqual(delivered ?? 0);
    }
  });
});

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, request } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import type { Destination } from "../../../mesh/policy/types.ts";
import { systemClock } from "../../../mesh/runtime.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { listen } from "../../../net/raw-client-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { createTestUpstreamDialer, startOutboundSide } from "../../outbound-side-fixture.ts";
import { createProxyMetrics } from "../../telemetry/proxy-metrics.ts";
import { startTestGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A server in a pod whose sidecar accepts both, and a client's side that dials it by the current destination. */
interface Path {
  readonly inbound: InboundSide;
  setDestination(destination: Destination): void;
  /** How the request arrived at the server's sidecar. */
  ask(): Promise<"mutual TLS" | "plaintext">;
}

type Application = (request: IncomingMessage, response: ServerResponse) => void;

function tellHow({ headers }: IncomingMessage, response: ServerResponse): void {
  response.end(headers["x-forwarded-client-cert"] === undefined ? "plaintext" : "mutual TLS");
}

async function startServer(application: Application): Promise<InboundSide> {
  const applicationPort = await listen(cleanup, createServer(application));
  return await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort, protocol: "http" });
}

function asker(port: number): Path["ask"] {
  const agent = new Agent();
  cleanup.add(() => agent.destroy());
  return async () => {
    const options = { dispatcher: agent, headers: { host: "shop.example" } };
    const { body } = await request(`http://127.0.0.1:${port}/`, options);
    return (await body.text()) === "mutual TLS" ? "mutual TLS" : "plaintext";
  };
}

async function startSidecar(application: Application): Promise<Path> {
  const inbound = await startServer(application);
  const outbound = await startOutboundSide(cleanup, { destination: towards(inbound, "mutual TLS") });
  return { inbound, setDestination: outbound.setDestination, ask: asker(outbound.port) };
}

async function startGatewayPath(application: Application): Promise<Path> {
  const inbound = await startServer(application);
  const metrics = createProxyMetrics({ clock: systemClock });
  const destination = towards(inbound, "mutual TLS");
  const { dialer, setDestination } = createTestUpstreamDialer(cleanup, { destination, meters: metrics });
  const { port } = await startTestGateway(cleanup, inbound.port, { metrics, dialer });
  return { inbound, setDestination, ask: asker(port) };
}

function towards(inbound: InboundSide, how: "mutual TLS" | "plaintext"): Destination {
  return meshDestination([inbound.port], { mutualTls: how === "mutual TLS", overrides: { protocol: "http" } });
}

/** The client's connections at the server's sidecar. */
function keptBy({ inbound }: Path): readonly string[] {
  return inbound.registry.list().map(({ peer }) => (peer === undefined ? "plaintext" : "mutual TLS"));
}

describe.each([
  { side: "a sidecar", start: startSidecar },
  { side: "the gateway", start: startGatewayPath },
])("a connection that $side keeps between requests", ({ start }) => {
  it.each([
    { before: "mutual TLS", after: "plaintext" },
    { before: "plaintext", after: "mutual TLS" },
  ] as const)(
    "in $before is closed when the rule becomes $after, and the next request uses that",
    async ({ before, after }) => {
      const path = await start(tellHow);
      await path.ask();
      path.setDestination(towards(path.inbound, before));
      expect([await path.ask(), await path.ask()]).toEqual([before, before]);
      expect(keptBy(path)).toEqual([before]);
      path.setDestination(towards(path.inbound, after));
      // Without waiting for the next request.
      await expect.poll(() => keptBy(path)).toEqual([]);
      expect([await path.ask(), await path.ask()]).toEqual([after, after]);
      expect(keptBy(path)).toEqual([after]);
    },
  );

  it("to an endpoint that is no longer listed is closed, and serves no further request", async () => {
    const path = await start(tellHow);
    const other = await startServer(tellHow);
    await path.ask();
    path.setDestination(towards(other, "mutual TLS"));
    await expect.poll(() => keptBy(path)).toEqual([]);
    await path.ask();
    expect(other.registry.size).toBe(1);
  });

  it("stays open if nothing about how it was dialled has changed", async () => {
    const path = await start(tellHow);
    await path.ask();
    const [kept] = path.inbound.registry.list();
    path.setDestination(towards(path.inbound, "mutual TLS"));
    await path.ask();
    expect(path.inbound.registry.list()).toEqual([kept]);
  });

  it("finishes its request before it is closed", async () => {
    const answered = Promise.withResolvers<() => void>();
    const path = await start((incoming, response) => answered.resolve(() => tellHow(incoming, response)));
    const asked = path.ask();
    const answer = await answered.promise;
    path.setDestination(towards(path.inbound, "plaintext"));
    answer();
    expect(await asked).toBe("mutual TLS");
    await expect.poll(() => keptBy(path)).toEqual([]);
  });
});

describe("a client's connection to a sidecar, kept between requests", () => {
  it("is closed when its server's mode becomes DISABLE: TLS is no longer terminated", async () => {
    const path = await startSidecar(tellHow);
    expect(await path.ask()).toBe("mutual TLS");
    path.inbound.setMode("DISABLE");
    await expect.poll(() => keptBy(path)).toEqual([]);
  });

  it("finishes its request first", async () => {
    const answered = Promise.withResolvers<() => void>();
    const path = await startSidecar((incoming, response) => answered.resolve(() => tellHow(incoming, response)));
    const asked = path.ask();
    const answer = await answered.promise;
    path.inbound.setMode("DISABLE");
    answer();
    expect(await asked).toBe("mutual TLS");
    await expect.poll(() => keptBy(path)).toEqual([]);
  });

  it("of the application is closed when its destination is no longer declared as HTTP", async () => {
    const inbound = await startServer(tellHow);
    const outbound = await startOutboundSide(cleanup, { destination: towards(inbound, "mutual TLS") });
    const own = (): number => outbound.registry.list().filter(({ client }) => client !== "http pool").length;
    expect(await asker(outbound.port)()).toBe("mutual TLS");
    expect(own()).toBe(1);
    outbound.setDestination(meshDestination([inbound.port], { overrides: { protocol: "tcp" } }));
    await expect.poll(own).toBe(0);
  });
});

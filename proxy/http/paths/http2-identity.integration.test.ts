import { createServer as createHttp2Server } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import { httpVersionOf } from "../../../mesh/policy/declared-protocol.ts";
import type { DeclaredProtocol, ServerMode } from "../../../mesh/policy/types.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { listen as listenOn } from "../../../net/raw-client-fixture.ts";
import { until } from "../../../net/until-fixture.ts";
import { settingsFrame } from "../../http2/frames/frame-fixture.ts";
import { CLIENT_PREFACE } from "../../http2/frames/frame-types.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { HELLO, meshDestination, WORLD } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../../raw-sockets-fixture.ts";
import { startMeshTunnel } from "../attacks/mesh-tunnel-fixture.ts";
import { dialHttp2, type FieldPairs, RawHttp2Client, requestOf } from "../raw-http2-client-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const FORGED: FieldPairs = [
  ["x-forwarded-client-cert", "By=forged;URI=forged"],
  ["x-forwarded-client-cert", "URI=forged-too"],
];

interface Application {
  readonly port: number;
  /** What each request brought as its client's identity. */
  readonly identities: () => readonly (string | undefined)[];
}

/** An application of HTTP/2 with prior knowledge: it sends SETTINGS as soon as it is connected. */
async function startHttp2Application(): Promise<Application> {
  const identities: (string | undefined)[] = [];
  const server = createHttp2Server((request, response) => {
    const value = request.headers["x-forwarded-client-cert"];
    identities.push(Array.isArray(value) ? value.join("|") : value);
    response.end("ok");
  });
  return { port: await listenOn(cleanup, server), identities: () => identities };
}

async function startHttp1Application(): Promise<Application> {
  const upstream = await startLenientUpstream(cleanup);
  const identityIn = (head: string): string | undefined => {
    const found = [...head.matchAll(/^x.forwarded.client.cert: *(.*)$/gim)].map(([, value]) => value);
    return found.length === 0 ? undefined : found.join("|");
  };
  return { port: upstream.port, identities: () => upstream.executed.map(({ head }) => identityIn(head)) };
}

function declared(protocol: DeclaredProtocol | undefined) {
  return protocol === undefined ? {} : { protocol };
}

function startInbound(
  application: Application,
  mode: ServerMode,
  protocol: DeclaredProtocol | undefined,
): Promise<InboundSide> {
  return startInboundSide(cleanup, { mode, applicationPort: application.port, ...declared(protocol) });
}

type Open = (application: Application, protocol: DeclaredProtocol | undefined) => Promise<number>;

const PROVED = new RegExp(`^By=${WORLD};Hash=[0-9a-f]{64};Subject="";URI=${HELLO}$`);

/** The ways of a client's frames to an application, and the identity that arrives. */
const DOORS: readonly { readonly door: string; readonly identity: RegExp | undefined; readonly open: Open }[] = [
  ...(["PERMISSIVE", "DISABLE"] as const).map((mode) => ({
    door: `in plaintext under ${mode}`,
    identity: undefined,
    open: async (application: Application, protocol: DeclaredProtocol | undefined) =>
      (await startInbound(application, mode, protocol)).port,
  })),
  ...[["istio-h2", "istio", "h2"], ["istio"]].map((offered) => ({
    door: `over mutual TLS with ALPN ${offered.join(", ")}`,
    identity: PROVED,
    open: async (application: Application, protocol: DeclaredProtocol | undefined) => {
      const side = await startInbound(application, "STRICT", protocol);
      return await startMeshTunnel(cleanup, side.port, offered);
    },
  })),
  {
    door: "from the application of a pod, to an endpoint without a sidecar",
    identity: undefined,
    open: async (application, protocol) => {
      const connectionPool = { httpVersion: httpVersionOf(protocol) };
      const overrides = { protocol, connectionPool };
      const destination = meshDestination([application.port], { mutualTls: false, overrides });
      return (await startOutboundSide(cleanup, { destination })).port;
    },
  },
  {
    door: "from the application of a pod, through both sidecars",
    identity: PROVED,
    open: async (application, protocol) => {
      const inbound = await startInbound(application, "STRICT", protocol);
      const destination = meshDestination([inbound.port], { overrides: { protocol } });
      return (await startOutboundSide(cleanup, { destination })).port;
    },
  },
];

const PORTS: readonly (DeclaredProtocol | undefined)[] = ["http", "http2", "grpc", "grpc-web", undefined];

describe.each(PORTS)("on a port that is declared %s", (protocol) => {
  it.each(DOORS)(
    "an identity that a client of HTTP/2 writes itself does not arrive: $door",
    async ({ open, identity }) => {
      const application = protocol === "http" ? await startHttp1Application() : await startHttp2Application();
      const client = await dialHttp2(cleanup, await open(application, protocol));
      const response = await client.ask(1, requestOf("/a", FORGED));
      expect(response.statuses).toEqual(["200"]);
      await client.ask(3, requestOf("/b"));
      const [forged, plain] = application.identities();
      for (const arrived of [forged, plain]) {
        if (identity === undefined) expect(arrived).toBeUndefined();
        else expect(arrived).toMatch(identity);
      }
    },
  );
});

describe("an application of HTTP/2 that speaks before its client does", () => {
  it.each(["PERMISSIVE", "DISABLE"] as const)("gets no identity of a client that waits for it (%s)", async (mode) => {
    const application = await startHttp2Application();
    const side = await startInbound(application, mode, undefined);
    const client = new RawHttp2Client(connectClient(cleanup, side.port));
    // Longer than the silence after which the application is opened.
    await until(() => mode === "DISABLE" || side.recorder.silences === 1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.send(CLIENT_PREFACE, settingsFrame());
    await client.ask(1, requestOf("/a", FORGED));
    expect(application.identities()).toEqual([undefined]);
  });
});

describe("a stream whose server has greeted", () => {
  it("never becomes HTTP/2: it is cut at the preface", async () => {
    const application = await startGreeting();
    const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort: application.port });
    const socket = connectClient(cleanup, side.port);
    await new Promise((resolve) => socket.once("data", resolve));
    const over = readAll(socket);
    socket.write(CLIENT_PREFACE);
    await over;
    expect(application.received()).not.toContain("PRI");
    expect(side.recorder.faults).toEqual(["late_http"]);
  });
});

async function startGreeting() {
  let text = "";
  const port = await listen(cleanup, (socket) => {
    socket.write("220 ready\r\n");
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
  });
  return { port, received: () => text };
}

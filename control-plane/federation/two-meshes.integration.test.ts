import { once } from "node:events";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { IstioCertificateService } from "../../mesh/api/gen/ca_pb.ts";
import { DiscoveryService } from "../../mesh/api/gen/discovery_pb.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../../net/raw-client-fixture.ts";
import { createTlsContext } from "../../net/tls/tls-contexts.ts";
import { until } from "../../net/until-fixture.ts";
import { startInboundSide } from "../../proxy/inbound-side-fixture.ts";
import { meshDestination } from "../../proxy/mesh-identities-fixture.ts";
import { startOutboundSide } from "../../proxy/outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../../proxy/raw-sockets-fixture.ts";
import {
  connectControlPlane,
  parseControlPlaneAddress,
} from "../../proxy/tls/control-plane/control-plane-connection.ts";
import { createSvidKey, formatCertificateRequest } from "../../proxy/tls/csr.ts";
import { bundleOf } from "./bundle-fixture.ts";
import { TestMesh, type TestSidecar } from "./test-mesh-fixture.ts";
import { startWebServer, trustWebServers } from "./web-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());
let distrust: () => void;
beforeAll(() => {
  distrust = trustWebServers();
});
afterAll(() => distrust());

const east = mintRoot({ commonName: "east" });
const [west, west2] = [mintRoot({ commonName: "west" }), mintRoot({ commonName: "west 2" })];
const eastSigner = mintRoot({ commonName: "east signer", issuer: east });
const westSigner = mintRoot({ commonName: "west signer", issuer: west });
const west2Signer = mintRoot({ commonName: "west 2 signer", issuer: west2 });
const REQUEST = "GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
/** The bundle hopes for a fetch a minute. */
const NEXT_FETCH_MS = 61_000;

/** West publishes its roots at a bundle endpoint, and has those of east written down. */
async function startMeshes() {
  const published = { roots: [west] as readonly MintedCertificate[], status: 200 };
  const url = await startWebServer(cleanup, (_request, response) => {
    response.writeHead(published.status).end(bundleOf(published.roots, { spiffe_refresh_hint: 60 }));
  });
  const meshes = {
    east: await TestMesh.start(cleanup, "east.example", { signer: eastSigner, roots: [east] }),
    west: await TestMesh.start(cleanup, "west.example", { signer: westSigner, roots: [west] }),
  };
  const ofWest: ForeignAuthorities = { kind: "bundle endpoint", trustDomains: [parseTrustDomain("west.example")], url };
  meshes.east.federate(ofWest);
  meshes.west.federate({ kind: "pem", trustDomains: [parseTrustDomain("east.example")], roots: [east.pem] });
  const sidecars = { east: await meshes.east.startSidecar(), west: await meshes.west.startSidecar() };
  await until(() => namesOf(sidecars.east) === "west" && namesOf(sidecars.west) === "east");
  return { published, meshes, sidecars, ofWest };
}

/** The names of the foreign roots that a sidecar trusts. */
function namesOf({ source }: TestSidecar): string {
  const roots = source.current()?.trust.federated?.flatMap((domain) => domain.roots) ?? [];
  return roots.map(({ subject }) => subject?.slice(3)).join();
}

/** Requests from one sidecar to the other, one after another, until the test ends it. */
async function startTraffic(client: TestSidecar, server: TestSidecar) {
  const application = await startLenientUpstream(cleanup);
  const inbound = await startInboundSide(cleanup, {
    ...{ mode: "STRICT", applicationPort: application.port, protocol: "http", secureContexts: server.source },
  });
  const destination = meshDestination([inbound.port], {
    identities: [server.identity],
    overrides: { protocol: "http" },
  });
  const outbound = await startOutboundSide(cleanup, { destination, secureContexts: client.source });
  const statuses: string[] = [];
  const send = async (): Promise<string> => (await sendRaw(cleanup, outbound.port, REQUEST)).slice(9, 12);
  let isEnded = false;
  const loop = (async () => {
    while (!isEnded) {
      statuses.push(await send());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const end = async (): Promise<readonly string[]> => {
    isEnded = true;
    await loop;
    return statuses;
  };
  cleanup.add(() => {
    isEnded = true;
  });
  /** Another ten responses. */
  const more = async (): Promise<void> => {
    const before = statuses.length;
    await until(() => statuses.length >= before + 10);
  };
  return { send, end, more };
}

describe("two meshes that trust each other", () => {
  it("go on without a failed request while one replaces its root, and part when the trust is withdrawn", async () => {
    const { published, meshes, sidecars } = await startMeshes();
    const there = await startTraffic(sidecars.east, sidecars.west);
    const back = await startTraffic(sidecars.west, sidecars.east);
    const more = () => Promise.all([there.more(), back.more()]);
    const stream = await openStream(sidecars.west, sidecars.east);
    await more();

    published.roots = [west, west2];
    meshes.west.adopt({ signer: westSigner, roots: [west, west2] });
    await meshes.east.clock.advance(NEXT_FETCH_MS);
    await until(() => namesOf(sidecars.east) === "west,west 2");
    meshes.west.adopt({ signer: west2Signer, roots: [west, west2] });
    await until(() => sidecars.west.source.current()?.certificates[1]?.subject === "CN=west 2 signer");
    await more();
    expect(stream.socket.closed).toBe(false);

    published.roots = [west2];
    await meshes.east.clock.advance(NEXT_FETCH_MS);
    await until(() => namesOf(sidecars.east) === "west 2");
    meshes.west.adopt({ signer: west2Signer, roots: [west2] });
    await more();
    // Its client has proved itself by the root that is gone.
    expect((await stream.ended).reset).toBe(true);

    published.status = 503;
    await meshes.east.clock.advance(NEXT_FETCH_MS);
    await meshes.east.log.seen("the last good one stays in force");
    await meshes.east.restart();
    await meshes.east.log.seen("proxies keep those of its roots that they have");
    await until(() => meshes.east.log.find("connected to the control plane").length === 2);
    const later = await openStream(sidecars.west, sidecars.east);
    await more();
    expect(new Set([...(await there.end()), ...(await back.end())])).toEqual(new Set(["200"]));

    meshes.east.federate();
    expect((await later.ended).reset).toBe(true);
    // Each data plane judges its open connections by itself, in slices.
    for (const { send } of [there, back]) await until(async () => (await send()) !== "200");
  });
});

/** A connection from one sidecar to the other that stays open. */
async function openStream(client: TestSidecar, server: TestSidecar) {
  const port = await listen(cleanup, (socket) => socket.pipe(socket));
  const secureContexts = server.source;
  const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort: port, secureContexts });
  const destination = meshDestination([inbound.port], { identities: [server.identity] });
  const outbound = await startOutboundSide(cleanup, { destination, secureContexts: client.source });
  const socket = connectClient(cleanup, outbound.port);
  socket.write("ping");
  await once(socket, "data");
  return { socket, ended: readAll(socket) };
}

describe("the control plane of a mesh", () => {
  it.each([
    { name: "of a foreign trust domain, although the mesh trusts it", trustDomain: "west.example" },
    { name: "whom a foreign authority gives an identity of the mesh", trustDomain: "east.example" },
  ])("serves no caller $name", async ({ trustDomain }) => {
    const { meshes } = await startMeshes();
    const identity = parseSpiffeId(`spiffe://${trustDomain}/ns/ns1/sa/app`);
    const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 60_000) };
    const leaf = mintLeaf({ issuer: westSigner, uriSans: [identity], ...times });
    const rootsPem = meshes.east.authority.roots().join("");
    const context = createTlsContext({ cert: leaf.pem + westSigner.pem, key: leaf.keyPem, ca: rootsPem });
    const signal = AbortSignal.timeout(60_000);
    const connection = await connectControlPlane({
      ...{ address: parseControlPlaneAddress(meshes.east.address), rootsPem, context, clock: systemClock, signal },
    });
    cleanup.add(() => connection.close());
    const csr = formatCertificateRequest(createSvidKey(), identity);
    const issuing = createClient(IstioCertificateService, connection.transport);
    expect(await codeOf(() => issuing.createCertificate({ csr }, { signal }))).toBe("Unauthenticated");
    const streams = createClient(DiscoveryService, connection.transport);
    const first = async () => {
      for await (const _update of streams.discover(noRequests(), { signal })) return;
    };
    expect(await codeOf(first)).toBe("Unauthenticated");
  });
});

async function* noRequests(): AsyncGenerator<never> {
  await new Promise((resolve) => setTimeout(resolve, 5000).unref());
}

async function codeOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
  } catch (caught) {
    return Code[ConnectError.from(caught).code];
  }
  return "served";
}

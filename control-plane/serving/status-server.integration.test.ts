import { Registry } from "prom-client";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AuthorityStatus } from "../../ca-agent/authority/authority-status.ts";
import type { ProxyStatus } from "../../discovery/streams/stream-status.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { ask } from "../../net/http-fixture.ts";
import { type Readiness, startStatusServer } from "./status-server.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const PROXY: ProxyStatus = {
  namespace: "ns1",
  pod: "hello-1",
  identity: "spiffe://cluster.local/ns/ns1/sa/hello",
  address: "10.0.0.7",
  version: "1.2.3",
  isPodKnown: true,
  connectedSince: "2030-01-01T00:00:00.000Z",
  lastSent: null,
  lastAcknowledged: null,
  resources: [{ kind: "inbound", count: 1, state: "waiting" }],
  rejections: [],
  certificate: { serialNumber: "1A2B", notAfter: "2030-01-02T00:00:00.000Z", rootFingerprint: "00:11" },
  trustedRoots: ["00:11"],
};

const AUTHORITY: AuthorityStatus = {
  roots: [
    {
      fingerprint: "00:11",
      notBefore: "2030-01-01T00:00:00.000Z",
      notAfter: "2040-01-01T00:00:00.000Z",
      isSigning: true,
    },
  ],
  rotation: null,
  revoked: { certificates: 2, identities: 0 },
};

let port: number;
let readiness: Readiness;
let authority: AuthorityStatus | undefined;

beforeEach(async () => {
  readiness = { isReady: true, text: "ready" };
  authority = AUTHORITY;
  const server = await startStatusServer({
    port: 0,
    version: "1.2.3",
    registry: new Registry(),
    readiness: () => readiness,
    proxies: () => [PROXY],
    authority: () => authority,
    awaitingRestart: () => ["trustDomain"],
    clock: systemClock,
    log: new RecordingLogger(),
  });
  cleanup.add(() => server.stop());
  port = server.port;
});

it("lists its version and the connected proxies to a client on loopback, as JSON", async () => {
  const { status, body } = await ask(port, { path: "/debug/syncz" });
  const expected = { version: "1.2.3", proxies: [PROXY], awaitingRestart: ["trustDomain"] };
  expect([status, JSON.parse(body)]).toEqual([200, expected]);
});

it("describes its certificate authority to a client on loopback, once that is open", async () => {
  const { status, body } = await ask(port, { path: "/debug/ca" });
  expect([status, JSON.parse(body)]).toEqual([200, AUTHORITY]);
  authority = undefined;
  readiness = { isReady: false, text: "the authority is not open: a key is missing" };
  const page = await ask(port, { path: "/debug/ca" });
  expect(page).toMatchObject({ status: 503, body: `not ready: ${readiness.text}\n` });
});

it.each([
  { name: "a client that is not on loopback", request: { localAddress: "127.0.0.6" } },
  { name: "a web page whose name was rebound to loopback", request: { headers: { host: "evil.example" } } },
])("refuses both pages to $name, but not readiness", async ({ request }) => {
  for (const path of ["/debug/syncz", "/debug/ca"]) expect((await ask(port, { path, ...request })).status).toBe(403);
  expect((await ask(port, { path: "/ready", ...request })).status).toBe(200);
});

it("says why it is not ready, and is alive all the same", async () => {
  readiness = { isReady: false, text: "waiting for the API" };
  expect(await ask(port, { path: "/ready" })).toMatchObject({ status: 503, body: "waiting for the API\n" });
  expect((await ask(port, { path: "/live" })).status).toBe(200);
});

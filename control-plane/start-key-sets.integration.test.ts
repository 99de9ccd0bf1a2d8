import { Registry } from "prom-client";
import { afterEach, describe, expect, it } from "vitest";
import { DiscoveryFixture, pod, service } from "../discovery/discovery-fixture.ts";
import { type KeyServer, startKeyServer } from "../discovery/documents/key-server-fixture.ts";
import { createIssuerKey, keySetOf } from "../mesh/policy/request-authentication/token-issuer-fixture.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startKeySets } from "./start-key-sets.ts";

const ONE = createIssuerKey("one", "ES256");
const TWO = createIssuerKey("two", "ES256");
const REFRESH_MS = 20 * 60_000;
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function tokens(...addresses: readonly string[]): string {
  const metadata = { name: "tokens", namespace: "ns1" };
  const jwtRules = addresses.map((jwksUri) => ({ issuer: "https://issuer.example", jwksUri }));
  return `${JSON.stringify({ apiVersion: "security.istio.io/v1", kind: "RequestAuthentication", metadata, spec: { jwtRules } })}\n`;
}

/** A control plane's discovery that fetches keys from a server on loopback. */
async function setup(options: { allowsLocal?: boolean } = {}) {
  const gate = Promise.withResolvers<void>();
  const server = await startKeyServer(cleanup, async (_request, response) => {
    await gate.promise;
    response.end(keySetOf(ONE));
  });
  const fixture = new DiscoveryFixture();
  const registry = new Registry();
  fixture.source.change(pod, service, tokens(`${server.origin}/keys`));
  const { clock, log, source, shutdown } = fixture;
  const deps = { registry, clock, log, random: () => 0.5, signal: shutdown.signal };
  fixture.keySets = startKeySets({ config: source, allowsLocal: options.allowsLocal ?? true, ...deps });
  cleanup.add(() => {
    fixture.calls.abort();
    shutdown.abort();
  });
  const proxy = fixture.proxy().identify().subscribe(1, { kind: "inbound" });
  const nextKeys = async (): Promise<readonly (string | undefined)[]> =>
    (await proxy.inbound()).tokenRules.map(({ jwks }) => jwks && kidsOf(jwks));
  return { server, fixture, registry, nextKeys, open: gate.resolve };
}

function kidsOf(jwks: string): string {
  const { keys }: { keys: readonly { kid: string }[] } = JSON.parse(jwks);
  return keys.map(({ kid }) => kid).join();
}

/** Resolves when the server has responded this often. */
async function requested(server: KeyServer, times: number): Promise<void> {
  await expect.poll(() => server.requests.length).toBe(times);
}

describe("the keys of an issuer", () => {
  it("reach the proxies of the workloads that need them, and follow their server", async () => {
    const { server, fixture, nextKeys, registry, open } = await setup();
    expect(await nextKeys()).toEqual([undefined]);
    open();
    expect(await nextKeys()).toEqual(["one"]);
    server.respond = (_request, response) => void response.end(keySetOf(ONE, TWO));
    await fixture.clock.advance(REFRESH_MS);
    expect(await nextKeys()).toEqual(["one,two"]);
    const page = await registry.metrics();
    expect(page).toContain('entente_jwks_fetches_total{result="success"} 2');
    expect(page).toContain('entente_jwks_sources{state="current"} 1');
  });

  it("stay as they were while their server fails, and count as stale", async () => {
    const { server, fixture, nextKeys, registry, open } = await setup();
    await nextKeys();
    open();
    await nextKeys();
    server.respond = (_request, response) => void response.writeHead(500).end();
    await fixture.clock.advance(REFRESH_MS);
    await fixture.log.seen("the last good keys stay in use");
    fixture.source.change(pod, service, tokens(`${server.origin}/keys`, `${server.origin}/never`));
    expect(await nextKeys()).toEqual(["one", undefined]);
    await requested(server, 3);
    await fixture.log.seen("its tokens are refused until it succeeds");
    const page = await registry.metrics();
    expect(page).toContain('entente_jwks_sources{state="stale"} 1');
    expect(page).toContain('entente_jwks_sources{state="missing"} 1');
    expect(page).toContain("entente_jwks_oldest_seconds 1200");
  });

  it("are not fetched from the control plane's own machine for the policies of a cluster", async () => {
    const { server, fixture, nextKeys } = await setup({ allowsLocal: false });
    expect(await nextKeys()).toEqual([undefined]);
    await fixture.log.seen("jwks_fetch_failed");
    expect(server.requests).toEqual([]);
  });
});

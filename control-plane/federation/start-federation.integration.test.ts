import type { IncomingMessage, ServerResponse } from "node:http";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Changing, settings } from "../../discovery/discovery-fixture.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { type MintedCertificate, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { MeshSettings } from "../../mesh/mesh-settings.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { bundleOf } from "./bundle-fixture.ts";
import { startFederation } from "./start-federation.ts";
import { startWebServer, trustWebServers } from "./web-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

let distrust: () => void;
beforeAll(() => {
  distrust = trustWebServers();
});
afterAll(() => distrust());

const [one, two] = [mintRoot({ commonName: "one" }), mintRoot({ commonName: "two" })];

function serve(respond: (request: IncomingMessage, response: ServerResponse) => void, dnsName?: string) {
  return startWebServer(cleanup, respond, dnsName);
}

function settingsWith(url: string): MeshSettings {
  const trustDomains = [parseTrustDomain("there.example")];
  return { ...settings, caCertificates: [{ kind: "bundle endpoint", trustDomains, url }] };
}

function start(url: string, allowsLocal = true) {
  const stop = new AbortController();
  cleanup.add(() => stop.abort());
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const registry = new Registry();
  const changing = new Changing(settingsWith(url));
  const federation = startFederation({
    ...{ settings: changing, allowsLocal, registry, clock, log, random: () => 0.5, signal: stop.signal },
  });
  let changes = 0;
  federation.subscribe(() => {
    changes += 1;
  });
  return { federation, clock, log, registry, changing, changes: () => changes };
}

const domainOf = (...roots: readonly MintedCertificate[]) => ({
  trustDomain: "there.example",
  roots: roots.map(({ pem }) => pem),
});

describe("the federation of a control plane", () => {
  it("has the roots that the domain publishes now, until the settings name it no longer", async () => {
    let published = [one];
    const url = await serve((_request, response) => void response.end(bundleOf(published)));
    const { federation, clock, log, registry, changing, changes } = start(url);
    expect(federation.current()).toEqual([{ trustDomain: "there.example", roots: [], incomplete: true }]);
    expect(await registry.metrics()).toContain(
      'entente_federation_bundle_age_seconds{trust_domain="there.example"} +Inf',
    );
    await log.seen("federation_bundle");
    expect(federation.current()).toEqual([domainOf(one)]);
    published = [one, two];
    await clock.advance(5 * 60_000);
    await expect.poll(() => federation.current()).toEqual([domainOf(one, two)]);
    await clock.advance(60_000);
    const page = await registry.metrics();
    expect(page).toContain('entente_federation_roots{trust_domain="there.example"} 2');
    expect(page).toContain('entente_federation_bundle_age_seconds{trust_domain="there.example"} 60');
    expect(page).toContain('entente_federation_fetches_total{result="success"} 2');
    changing.change({ ...settings, caCertificates: [] });
    expect([federation.current(), changes()]).toEqual([[], 3]);
    expect(await registry.metrics()).not.toContain("there.example");
  });
});

describe("a bundle endpoint", () => {
  it.each([
    {
      name: "with a certificate for another name",
      url: () => serve((_request, response) => void response.end(bundleOf([one])), "other.example"),
      reason: "does not match certificate's altnames",
    },
    {
      name: "that redirects to the control plane's own machine",
      url: async () => {
        const target = await serve((_request, response) => void response.end(bundleOf([one])));
        return serve((_request, response) => void response.writeHead(302, { location: target }).end());
      },
      reason: "leads to the control plane's own machine",
    },
    {
      name: "that redirects to plaintext",
      url: () => serve((_request, response) => void response.writeHead(302, { location: "http://a.example/" }).end()),
      reason: "it redirects from https to http",
    },
    {
      name: "that sends without end",
      url: () =>
        serve((_request, response) => {
          const write = (): void => {
            if (!response.destroyed) response.write(Buffer.alloc(65_536), write);
          };
          write();
        }),
      reason: "the response has more than 1048576 bytes",
    },
  ])("$name is not used", async ({ url, reason }) => {
    const { federation, log } = start(await url());
    const line = await log.seen("federation_fetch_failed");
    expect(line.fields).toMatchObject({ reason: expect.stringContaining(reason) });
    expect(federation.current()).toMatchObject([{ roots: [], incomplete: true }]);
  });

  it("on the control plane's own machine is not asked in a cluster", async () => {
    let requests = 0;
    const url = await serve((_request, response) => {
      requests += 1;
      response.end(bundleOf([one]));
    });
    const { log } = start(url, false);
    expect((await log.seen("federation_fetch_failed")).fields).toMatchObject({
      reason: expect.stringContaining("leads to the control plane's own machine"),
    });
    expect(requests).toBe(0);
  });
});

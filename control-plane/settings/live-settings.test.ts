import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { settings as defaults } from "../../discovery/discovery-fixture.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { followMeshConfig, type MeshSettingsSource } from "./live-settings.ts";
import { readMeshConfigFile } from "./mesh-config.ts";

const FOREIGN = mintRoot({ commonName: "foreign" });
let folder: string;
let stop: AbortController;
const clock = new FakeClock();
let log: RecordingLogger;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-live-settings-"));
  stop = new AbortController();
  log = new RecordingLogger();
});
afterEach(() => {
  stop.abort();
  rmSync(folder, { recursive: true, force: true });
});

const file = (): string => join(folder, "mesh");

async function follow(text: string): Promise<MeshSettingsSource> {
  writeFileSync(file(), text);
  const initial = await readMeshConfigFile(file(), defaults);
  return followMeshConfig({ file: file(), defaults, initial, clock, log, signal: stop.signal });
}

/** Writes the file, and waits until its next reading is over: a line that a later reading would add is not there yet. */
async function change(text: string): Promise<void> {
  writeFileSync(file(), text);
  const before = clock.pendingTimers;
  await clock.advance(2000);
  while (clock.pendingTimers < before) await new Promise((resolve) => setImmediate(resolve));
}

describe("the mesh configuration of a running control plane", () => {
  it("is in force soon after it changes, where nothing else depends on it", async () => {
    const source = await follow("outboundTrafficPolicy: { mode: ALLOW_ANY }");
    const seen: string[] = [];
    source.subscribe(() => seen.push(source.current().outboundTrafficPolicy));
    await change("outboundTrafficPolicy: { mode: REGISTRY_ONLY }\nenableAutoMtls: false\nh2UpgradePolicy: UPGRADE");
    const live = { outboundTrafficPolicy: "REGISTRY_ONLY", autoMtls: false, h2UpgradePolicy: "UPGRADE" };
    expect(source.current()).toEqual({ ...defaults, ...live });
    await change(
      "pathNormalization: { normalization: NONE }\ndefaultConfig: { gatewayTopology: { numTrustedProxies: 1 } }",
    );
    expect(source.current()).toEqual({ ...defaults, pathNormalization: "NONE", numTrustedProxies: 1 });
    await change("");
    expect(source.current()).toEqual(defaults);
    expect(seen).toEqual(["REGISTRY_ONLY", "ALLOW_ANY", "ALLOW_ANY"]);
  });

  it("needs a restart for the names that certificates contain, and says so once", async () => {
    const source = await follow("trustDomain: one.example");
    await change("trustDomain: two.example\ntrustDomainAliases: [one.example]");
    await change("trustDomain: two.example\ntrustDomainAliases: [one.example]");
    expect(source.current().trustDomain).toBe("one.example");
    expect(source.awaitingRestart()).toEqual(["trustDomain", "trustDomainAliases"]);
    expect(log.find("after a restart of the control plane: trustDomain, trustDomainAliases")).toHaveLength(1);
  });

  it("trusts a foreign domain, or one no longer, while it runs", async () => {
    const source = await follow("");
    const federate = (pem: string) =>
      `caCertificates: [{ pem: ${JSON.stringify(pem)}, trustDomains: [there.example] }]`;
    await change(federate(FOREIGN.pem));
    const [entry] = source.current().caCertificates;
    expect(entry).toEqual({ kind: "pem", trustDomains: ["there.example"], roots: [FOREIGN.pem] });
    await change(federate(FOREIGN.pem));
    expect(log.find("the mesh's settings have changed")).toHaveLength(1);
    await change(federate("damaged"));
    expect(source.current().caCertificates).toEqual([entry]);
    expect(log.find("caCertificates[0].pem: it holds no PEM certificate; the last settings stay")).toHaveLength(1);
    await change("");
    expect(source.current().caCertificates).toEqual([]);
    expect(source.awaitingRestart()).toEqual([]);
  });

  it("has no foreign authorities for a domain that is the mesh's own until the restart", async () => {
    const source = await follow("trustDomain: one.example");
    const text = JSON.stringify([{ pem: FOREIGN.pem, trustDomains: ["one.example"] }]);
    await change(`trustDomain: two.example\ncaCertificates: ${text}`);
    expect(source.current().caCertificates).toEqual([]);
    expect(source.awaitingRestart()).toEqual(["trustDomain", "caCertificates"]);
  });

  it("names what has no effect, at the start and later, once", async () => {
    await follow("meshMTLS: {}");
    await change("meshMTLS: {}");
    await change("meshMTLS: {}\nextensionProviders: []");
    expect(log.records.map(({ message }) => message)).toEqual([
      "the mesh configuration: not supported, and without effect: meshMTLS",
      "the mesh configuration: not supported, and without effect: meshMTLS, extensionProviders",
    ]);
  });

  it.each([
    { name: "invalid", text: "outboundTrafficPolicy: { mode: NONE }", expected: "must be ALLOW_ANY or REGISTRY_ONLY" },
    { name: "half written", text: "outboundTrafficPolicy: { mode: REG", expected: "the last settings stay in force" },
  ])("changes nothing while it is $name, and is read again", async ({ text, expected }) => {
    const source = await follow("outboundTrafficPolicy: { mode: REGISTRY_ONLY }");
    await change(text);
    await change(text);
    expect(source.current().outboundTrafficPolicy).toBe("REGISTRY_ONLY");
    expect(log.find(expected)).toHaveLength(1);
    await change("outboundTrafficPolicy: { mode: ALLOW_ANY }");
    expect(source.current().outboundTrafficPolicy).toBe("ALLOW_ANY");
  });

  it("is not read after the end", async () => {
    await follow("");
    stop.abort();
    expect(clock.pendingTimers).toBe(0);
  });
});

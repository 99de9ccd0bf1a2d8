import { describe, expect, it } from "vitest";
import { renewalDelayMs } from "../pods/volumes/projected-token.ts";
import { parseManifests } from "../read-manifests.ts";
import { createFileFinder, tlsSecret } from "./cluster-files.ts";

describe("ConfigMaps and Secrets", () => {
  const manifests = parseManifests(
    `
kind: ConfigMap
metadata: { name: words, namespace: ns1 }
data: { greeting: hello }
binaryData: { raw: AAE= }
---
kind: Secret
metadata: { name: words, namespace: ns1 }
data: { password: aHVudGVy, both: b2xk }
stringData: { both: new }
`,
    "a.yaml",
  );
  const find = createFileFinder([...manifests, tlsSecret("ns2", "pair", pair())], async () => "ROOTS");

  function pair() {
    return { certificateChainPem: "CHAIN", privateKeyPem: "KEY" };
  }

  it("are visible only in their namespace, and decoded if they are encoded", async () => {
    expect(await find("ns1", "ConfigMap", "words")).toEqual({ greeting: "hello", raw: Buffer.from([0, 1]) });
    expect(await find("ns1", "Secret", "words")).toEqual({ password: Buffer.from("hunter"), both: "new" });
    expect(await find("ns2", "Secret", "pair")).toEqual({ "tls.crt": "CHAIN", "tls.key": "KEY" });
    expect(await find("ns2", "ConfigMap", "words")).toBeUndefined();
  });

  it("include the mesh's roots in every namespace", async () => {
    expect(await find("any", "ConfigMap", "istio-ca-root-cert")).toEqual({ "root-cert.pem": "ROOTS" });
    expect(await find("any", "Secret", "istio-ca-root-cert")).toBeUndefined();
  });
});

describe("tokens", () => {
  it.each([
    { name: "at four fifths of their lifetime", expirationSeconds: 600, delayMs: 480_000 },
    { name: "after a day at the latest", expirationSeconds: 10_000_000, delayMs: 86_400_000 },
  ])("are renewed $name", ({ expirationSeconds, delayMs }) => {
    expect(renewalDelayMs(expirationSeconds)).toBe(delayMs);
  });
});

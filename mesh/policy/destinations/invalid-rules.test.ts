import { describe, expect, it } from "vitest";
import { parseResources } from "../../resources/parsing/parse-resources.ts";
import { createResourceSet } from "../../resources/resource-set.ts";
import { TEST_SETTINGS, testResource } from "../../resources/resource-set-fixture.ts";
import type { Destination } from "../types.ts";
import { decideDestination } from "./destination.ts";
import { byHost, byIp, HOST, WORLD, world } from "./destination-fixture.ts";

const PLAIN = { trafficPolicy: { tls: { mode: "DISABLE" } } };
const MUTUAL = { trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } };
const NEW = "2026-02-02T00:00:00Z";
const OLD = "2026-01-01T00:00:00Z";

function rule(spec: unknown, { name = "invalid", creationTimestamp = OLD, namespace = "ns2" } = {}): string {
  return testResource("DestinationRule", name, spec, { namespace, creationTimestamp });
}

/** The destination of a client in ns1 after a cold start. */
function decide(rules: readonly string[], target = byIp("10.96.0.2"), settings = {}): Destination {
  const text = [WORLD, world(), world({ name: "plain", ip: "10.0.0.8", meshed: false }), ...rules].join("\n---\n");
  const { resources, standIns } = parseResources({ text, file: "a.yaml" });
  return decideDestination({
    set: createResourceSet([...resources, ...standIns]),
    settings: { ...TEST_SETTINGS, ...settings },
    client: { namespace: "ns1", labels: {} },
    target,
  });
}

const AUTO = { kind: "mesh", endpoints: [{ mutualTls: true }, { mutualTls: false }] };
const PLAINTEXT = { kind: "mesh", endpoints: [{ mutualTls: false }, { mutualTls: false }] };

describe("a cold start with an invalid DestinationRule", () => {
  it.each([
    { name: "its mode", spec: { host: HOST, trafficPolicy: { tls: { mode: "MTLS" } } } },
    { name: "its traffic policy", spec: { host: HOST, trafficPolicy: "DISABLE" } },
    { name: "a subset", spec: { host: HOST, ...MUTUAL, subsets: [{ labels: 1 }] } },
    { name: "its visibility", spec: { host: HOST, ...MUTUAL, exportTo: "." } },
    { name: "its selector", spec: { host: HOST, ...MUTUAL, workloadSelector: [] } },
    { name: "its host", spec: { host: "*world*", ...MUTUAL } },
    { name: "everything", spec: 1 },
  ])("uses auto mTLS where $name is invalid, although a wider rule says plaintext", ({ spec }) => {
    const wide = rule({ host: "*.local", ...PLAIN }, { name: "wide" });
    expect(decide([wide])).toMatchObject(PLAINTEXT);
    expect(decide([wide, rule(spec)])).toMatchObject({
      ...AUTO,
      tlsRule: "auto mTLS, since DestinationRule/invalid.ns2 is invalid",
    });
  });

  it("uses auto mTLS although it is off", () => {
    const broken = rule({ host: HOST, trafficPolicy: 1 });
    expect(decide([], byIp("10.96.0.2"), { autoMtls: false })).toMatchObject(PLAINTEXT);
    expect(decide([broken], byIp("10.96.0.2"), { autoMtls: false })).toMatchObject(AUTO);
  });

  it.each([
    { name: "a younger rule", times: [OLD, NEW], expected: AUTO },
    { name: "an older rule, which applied before", times: [NEW, OLD], expected: PLAINTEXT },
  ])("has its place next to $name of the same host", ({ times, expected }) => {
    const [invalid, valid] = times;
    const rules = [
      rule({ host: HOST, trafficPolicy: 1 }, { creationTimestamp: invalid }),
      rule({ host: HOST, ...PLAIN }, { name: "valid", creationTimestamp: valid }),
    ];
    expect(decide(rules)).toMatchObject(expected);
  });

  it("keeps the subsets that are readable, so that routes still find their pods", () => {
    const subsets = [{ name: "v1", labels: { version: "v1" }, trafficPolicy: 1 }];
    expect(decide([rule({ host: HOST, subsets })], byHost(HOST, 8080, "v1"))).toMatchObject({
      subset: "v1",
      kind: "mesh",
    });
  });

  it("never weakens a valid rule that requires mutual TLS", () => {
    const rules = [rule({ host: 1 }), rule({ host: HOST, ...MUTUAL }, { name: "valid" })];
    expect(decide(rules)).toMatchObject({ kind: "mesh", endpoints: [{ mutualTls: true }, { mutualTls: true }] });
  });
});

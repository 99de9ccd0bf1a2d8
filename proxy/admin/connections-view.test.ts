import { describe, expect, it } from "vitest";
import type { Destination, DestinationTarget } from "../../mesh/policy/types.ts";
import type { OpenConnection } from "../connections/connection-registry.ts";
import { FakeRelay } from "../connections/relay-fixture.ts";
import { meshDestination, WORLD } from "../mesh-identities-fixture.ts";
import { describeConnection, describeDestination } from "./connections-view.ts";

const ADDRESS: DestinationTarget = { kind: "address", ip: "fd00::7", port: 8080 };
const HOST: DestinationTarget = { kind: "host", host: "world.ns2.svc.cluster.local", port: 8080, subset: "v1" };

describe("describeDestination", () => {
  it.each<{ name: string; destination: Destination | undefined; shown: object }>([
    { name: "no response yet", destination: undefined, shown: { state: "pending" } },
    { name: "traffic that passes", destination: { kind: "passthrough" }, shown: { state: "passthrough" } },
    {
      name: "a refusal with its reason",
      destination: { kind: "refused", reason: "REGISTRY_ONLY" },
      shown: { state: "refused", reason: "REGISTRY_ONLY" },
    },
  ])("shows $name", ({ destination, shown }) => {
    expect(describeDestination({ target: ADDRESS, destination, connections: 3 })).toEqual({
      target: "[fd00::7]:8080",
      connections: 3,
      ...shown,
    });
  });

  it("shows a service with its rule, its identities and whether each endpoint speaks mutual TLS", () => {
    const shown = describeDestination({ target: HOST, destination: meshDestination([8081]), connections: 1 });
    expect(shown).toMatchObject({
      target: "world.ns2.svc.cluster.local:8080 (v1)",
      state: "mesh",
      sni: "outbound_.8080_._.world.ns2.svc.cluster.local",
      tls_rule: "DestinationRule/enable-mtls.default",
      identities: [WORLD],
      endpoints: [{ address: "127.0.0.1:8081", mutual_tls: true, pod: "world-1" }],
    });
  });
});

describe("describeConnection", () => {
  const plaintext: OpenConnection = {
    direction: "inbound",
    stage: "open",
    client: "10.0.0.1:40000",
    destination: { ip: "10.0.0.2", port: 8080 },
    endpoint: { ip: "10.0.0.2", port: 8080 },
    host: "",
    peer: undefined,
    rule: "default",
    openedAtMs: 1000,
    relay: new FakeRelay(),
    policyKey: "inbound",
    isAllowed: () => true,
    bytes: () => ({ received: 5, sent: 7 }),
  };

  it("shows that a connection is plaintext", () => {
    expect(describeConnection(plaintext, 3500)).toMatchObject({
      mutual_tls: null,
      open_seconds: 2,
      received_bytes: 5,
      sent_bytes: 7,
      destination: "10.0.0.2:8080",
    });
  });

  it("names the peer of mutual TLS, without its certificate", () => {
    const peer = {
      identity: WORLD,
      certificates: [],
      verifiedAtMs: 0,
      path: [],
      authorities: { roots: [], trustDomains: [] },
      tlsVersion: "TLSv1.3",
      cipher: "TLS_AES_256_GCM_SHA384",
      keyExchangeGroup: "X25519MLKEM768",
    };
    expect(describeConnection({ ...plaintext, peer }, 1000).mutual_tls).toEqual({
      peer: WORLD,
      version: "TLSv1.3",
      cipher: "TLS_AES_256_GCM_SHA384",
      key_exchange: "X25519MLKEM768",
    });
  });
});

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { tagOfPodUid } from "../identity/pod-tag.ts";
import { parseSpiffeId, parseTrustDomain } from "../identity/spiffe-id.ts";
import { MeshError } from "../mesh-error.ts";
import { DECLARED_PROTOCOLS } from "../policy/declared-protocol.ts";
import { decideDestination } from "../policy/destinations/destination.ts";
import { decideInbound } from "../policy/inbound.ts";
import { decideGateway } from "../policy/routing/gateway.ts";
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../resources/resource-set-fixture.ts";
import { destinationFromMessage, inboundFromMessage, messageFromDestination, messageFromInbound } from "./convert.ts";
import { gatewayFromMessage, messageFromGateway } from "./convert-gateway.ts";
import { messageFromSubscription, type ResourceName, resourceFromMessage } from "./convert-subscription.ts";
import { messageFromTrustBundle, trustBundleFromMessage } from "./convert-trust-bundle.ts";
import {
  DestinationResourceSchema,
  GatewayResourceSchema,
  InboundResourceSchema,
  SubscribeSchema,
  TrustBundleResourceSchema,
} from "./gen/discovery_pb.ts";

const SET = createTestSet(
  testPod({ name: "hello", ports: [{ containerPort: 8080 }, { containerPort: 9090 }] }),
  testService({ name: "hello" }),
  testService({ name: "pooled", clusterIP: "10.96.0.4", ports: [{ name: "grpc", port: 80 }] }),
  testResource("DestinationRule", "pooled", {
    host: "pooled.ns1.svc.cluster.local",
    trafficPolicy: {
      connectionPool: {
        http: {
          http2MaxRequests: 1,
          maxRequestsPerConnection: 2,
          maxConcurrentStreams: 3,
          maxRetries: 4,
          idleTimeout: "5s",
        },
      },
    },
  }),
  testPod({ name: "gw", labels: { istio: "ingressgateway" }, ip: "10.0.0.9" }),
  testResource("Gateway", "gw", { servers: [{ port: { number: 80, protocol: "HTTP" }, hosts: ["*"] }] }),
  testResource("VirtualService", "vs", {
    hosts: ["a.example"],
    gateways: ["gw"],
    http: [
      {
        match: [{ uri: { prefix: "/a" }, headers: { "x-a": {}, "x-b": { regex: "[0-9]+" } }, ignoreUriCase: true }],
        redirect: { uri: "/b" },
      },
      {
        match: [{ method: { exact: "GET" }, authority: { exact: "a" }, withoutHeaders: { "x-c": { exact: "1" } } }],
        route: [{ destination: { host: "hello.ns1.svc.cluster.local" } }],
      },
    ],
  }),
);
const input = { set: SET, settings: TEST_SETTINGS };
const client = { namespace: "ns1", labels: {} };

describe("a decision converts to a message and back without loss", () => {
  it("inbound", () => {
    const value = decideInbound({ ...input, pod: findTestPod(SET, "ns1/hello") });
    const wire = toBinary(InboundResourceSchema, messageFromInbound(value));
    expect(inboundFromMessage(fromBinary(InboundResourceSchema, wire))).toEqual(value);
  });

  it.each([
    { name: "a service", ip: "10.96.0.1", port: 8080 },
    { name: "a pod without a service", ip: "10.0.0.9", port: 7000 },
    { name: "an address outside the mesh", ip: "192.0.2.1", port: 80 },
    { name: "a refusal", ip: "10.96.0.1", port: 1 },
    { name: "a service with a connection pool", ip: "10.96.0.4", port: 80 },
  ])("a destination: $name", ({ ip, port }) => {
    const value = decideDestination({ ...input, client, target: { kind: "address", ip, port } });
    const wire = toBinary(DestinationResourceSchema, messageFromDestination(value));
    expect(destinationFromMessage(fromBinary(DestinationResourceSchema, wire))).toEqual(value);
  });

  it.each<{ name: string; resource: ResourceName }>([
    { name: "the trust bundle", resource: { kind: "trust bundle" } },
    { name: "inbound policy", resource: { kind: "inbound" } },
    { name: "a gateway", resource: { kind: "gateway" } },
    { name: "an address", resource: { kind: "destination", target: { kind: "address", ip: "10.0.0.1", port: 80 } } },
    {
      name: "a host",
      resource: {
        kind: "destination",
        target: { kind: "host", host: "hello.ns1.svc.cluster.local", port: 80, subset: "v1" },
      },
    },
  ])("a subscription of $name", ({ resource }) => {
    const knownDigest = new Uint8Array([1, 2]);
    const message = messageFromSubscription({ id: 7, resource, knownDigest });
    const wire = fromBinary(SubscribeSchema, toBinary(SubscribeSchema, message));
    expect(resourceFromMessage(wire)).toEqual(resource);
    expect(wire).toMatchObject({ id: 7, knownDigest });
  });

  it("a gateway", () => {
    const value = decideGateway({ ...input, pod: findTestPod(SET, "ns1/gw") });
    expect(value.listeners[0]?.virtualHosts[0]?.routes).toHaveLength(2);
    const wire = toBinary(GatewayResourceSchema, messageFromGateway(value));
    expect(gatewayFromMessage(fromBinary(GatewayResourceSchema, wire))).toEqual(value);
  });

  const revokedIdentity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
  it.each([
    {},
    { signingRoot: "b" },
    { federated: [{ trustDomain: parseTrustDomain("other.mesh"), roots: ["c"] }] },
    { federated: [{ trustDomain: parseTrustDomain("other.mesh"), roots: [], incomplete: true }] },
    { revocations: { certificates: [{ serialNumber: "A1" }, { serialNumber: "0", issuer: "00ff" }], identities: [] } },
    { revocations: { certificates: [], identities: [revokedIdentity] } },
    { revocations: { certificates: [], identities: [], pods: [tagOfPodUid("u1")] } },
  ])("a trust bundle %o", (more) => {
    const value = { roots: ["a", "b"], trustDomains: [TEST_SETTINGS.trustDomain], ...more };
    expect(trustBundleFromMessage(messageFromTrustBundle(value))).toEqual(value);
  });

  it("a trust bundle with a serial number as Node writes it, which may begin with a zero", () => {
    const revocations = { certificates: [{ serialNumber: "0abC", issuer: "00ff" }], identities: [] };
    const value = { roots: ["a"], trustDomains: [TEST_SETTINGS.trustDomain], revocations };
    expect(trustBundleFromMessage(messageFromTrustBundle(value)).revocations).toEqual({
      certificates: [{ serialNumber: "ABC", issuer: "00ff" }],
      identities: [],
    });
  });
});

describe("an unknown message never weakens policy", () => {
  it.each(["", "UNSET", "strict", "NEW_MODE"])("server mode %j is STRICT", (mode) => {
    const message = create(InboundResourceSchema, {
      authorization: {},
      defaultMode: { mode },
      ports: [{ port: 1, mode: { mode } }],
    });
    const inbound = inboundFromMessage(message);
    expect([inbound.defaultMode.mode, inbound.ports[0]?.mode.mode]).toEqual(["STRICT", "STRICT"]);
  });

  it("a missing server mode is STRICT", () => {
    expect(inboundFromMessage(create(InboundResourceSchema, { authorization: {} })).defaultMode.mode).toBe("STRICT");
  });

  it("an empty destination is refused, not passed through", () => {
    expect(destinationFromMessage(create(DestinationResourceSchema)).kind).toBe("refused");
  });

  it.each(DECLARED_PROTOCOLS)("the protocol %s arrives as it was declared", (protocol) => {
    const message = create(InboundResourceSchema, { authorization: {}, ports: [{ port: 1, protocol }] });
    expect(inboundFromMessage(message).ports[0]?.protocol).toBe(protocol);
  });

  it.each([
    { protocol: "http", pool: undefined, read: { httpVersion: "1.1" } },
    { protocol: "grpc", pool: undefined, read: { httpVersion: "2" } },
    { protocol: "", pool: {}, read: { httpVersion: "client" } },
    { protocol: "http", pool: { httpVersion: "3" }, read: { httpVersion: "1.1" } },
    { protocol: "http", pool: { httpVersion: "2", maxRetries: 1 }, read: { httpVersion: "2", maxRetries: 1 } },
  ])("the connection pool $pool of a port $protocol is read as $read", ({ protocol, pool, read }) => {
    const value = { host: "a", port: 1, protocol, ...(pool === undefined ? {} : { connectionPool: pool }) };
    const message = create(DestinationResourceSchema, { destination: { case: "mesh", value } });
    expect(destinationFromMessage(message)).toMatchObject({ connectionPool: read });
  });

  it("an unknown protocol is forwarded as a byte stream", () => {
    const value = { host: "a", port: 1, protocol: "quic" };
    const message = create(DestinationResourceSchema, { destination: { case: "mesh", value } });
    expect(destinationFromMessage(message)).toMatchObject({ protocol: "tcp" });
  });

  const mesh = (value: object) => () =>
    destinationFromMessage(
      create(DestinationResourceSchema, {
        destination: { case: "mesh", value: { host: "a", port: 1, ...value } },
      }),
    );
  const match = (value: object) => () =>
    gatewayFromMessage(
      create(GatewayResourceSchema, {
        authorization: {},
        listeners: [{ port: 80, virtualHosts: [{ hosts: ["*"], routes: [{ matches: [value] }] }] }],
      }),
    );
  it.each([
    { name: "an identity that is not a SPIFFE id", read: mesh({ identities: ["spiffe://cluster.local/ns/a"] }) },
    { name: "a destination's port 0", read: mesh({ port: 0 }) },
    { name: "an endpoint's port above 65535", read: mesh({ endpoints: [{ ip: "10.0.0.1", port: 65536 }] }) },
    {
      name: "a trust bundle without roots",
      read: () => trustBundleFromMessage(create(TrustBundleResourceSchema, { trustDomains: ["a"] })),
    },
    {
      name: "a trust bundle without domains",
      read: () => trustBundleFromMessage(create(TrustBundleResourceSchema, { roots: ["a"] })),
    },
    {
      name: "a malformed trust domain",
      read: () => trustBundleFromMessage(create(TrustBundleResourceSchema, { roots: ["a"], trustDomains: ["A/b"] })),
    },
    ...[
      { name: "a foreign trust domain without roots", more: { federated: [{ trustDomain: "b" }] } },
      { name: "an incomplete foreign trust domain without a name", more: { federated: [{ incomplete: true }] } },
      { name: "a malformed foreign trust domain", more: { federated: [{ trustDomain: "B", roots: ["b"] }] } },
      { name: "a malformed serial number", more: { revokedCertificates: [{ serialNumber: "0a" }] } },
      { name: "a revoked certificate without a serial number", more: { revokedCertificates: [{}] } },
      { name: "a malformed tag of a revoked pod", more: { revokedPods: ["0123456789abcdef"] } },
      { name: "a malformed revoked identity", more: { revokedIdentities: ["hello"] } },
    ].map(({ name, more }) => ({
      name,
      read: () =>
        trustBundleFromMessage(create(TrustBundleResourceSchema, { roots: ["a"], trustDomains: ["a"], ...more })),
    })),
    {
      name: "a subscription without a resource",
      read: () => resourceFromMessage(create(SubscribeSchema)),
    },
    {
      name: "a subscription without a port",
      read: () =>
        resourceFromMessage(create(SubscribeSchema, { resource: { case: "address", value: { ip: "10.0.0.1" } } })),
    },
    {
      name: "a subscription of a host longer than DNS allows",
      read: () => {
        const value = { host: "a".repeat(300), port: 80 };
        return resourceFromMessage(create(SubscribeSchema, { resource: { case: "host", value } }));
      },
    },
    {
      name: "a subscription of an address longer than any",
      read: () => {
        const value = { ip: "1".repeat(100), port: 80 };
        return resourceFromMessage(create(SubscribeSchema, { resource: { case: "address", value } }));
      },
    },
    { name: "an idle timeout longer than any timer", read: mesh({ connectionPool: { idleTimeoutMs: 0xff_ff_ff_ff } }) },
    { name: "a match without a kind", read: match({ uri: {} }) },
    { name: "a header match without a kind", read: match({ headers: [{ name: "a" }] }) },
    { name: "a regex that does not compile", read: match({ uri: { match: { case: "regex", value: "(" } } }) },
    { name: "presence: false", read: match({ uri: { match: { case: "present", value: false } } }) },
  ])("$name is an error", ({ read }) => {
    expect(read).toThrow(MeshError);
  });
});

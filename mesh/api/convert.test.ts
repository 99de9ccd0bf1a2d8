import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { MeshError } from "../mesh-error.ts";
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
import {
  destinationFromMessage,
  destinationTargetFromMessage,
  inboundFromMessage,
  messageFromDestination,
  messageFromDestinationTarget,
  messageFromInbound,
  messageFromTrustBundle,
  trustBundleFromMessage,
} from "./convert.ts";
import { gatewayFromMessage, messageFromGateway } from "./convert-gateway.ts";
import {
  WatchDestinationRequestSchema,
  WatchDestinationResponseSchema,
  WatchGatewayResponseSchema,
  WatchInboundResponseSchema,
  WatchTrustBundleResponseSchema,
} from "./gen/discovery_pb.ts";

const SET = createTestSet(
  testPod({ name: "hello", ports: [{ containerPort: 8080 }, { containerPort: 9090 }] }),
  testService({ name: "hello" }),
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
    const wire = toBinary(WatchInboundResponseSchema, messageFromInbound(value));
    expect(inboundFromMessage(fromBinary(WatchInboundResponseSchema, wire))).toEqual(value);
  });

  it.each([
    { name: "a service", ip: "10.96.0.1", port: 8080 },
    { name: "a pod without a service", ip: "10.0.0.9", port: 7000 },
    { name: "an address outside the mesh", ip: "192.0.2.1", port: 80 },
    { name: "a refusal", ip: "10.96.0.1", port: 1 },
  ])("a destination: $name", ({ ip, port }) => {
    const value = decideDestination({ ...input, client, target: { kind: "address", ip, port } });
    const wire = toBinary(WatchDestinationResponseSchema, messageFromDestination(value));
    expect(destinationFromMessage(fromBinary(WatchDestinationResponseSchema, wire))).toEqual(value);
  });

  it.each([
    { kind: "address", ip: "10.0.0.1", port: 80 } as const,
    { kind: "host", host: "hello.ns1.svc.cluster.local", port: 80, subset: "v1" } as const,
  ])("a target by $kind", (target) => {
    const message = messageFromDestinationTarget({ namespace: "ns1", name: "hello" }, target);
    const wire = fromBinary(WatchDestinationRequestSchema, toBinary(WatchDestinationRequestSchema, message));
    expect(destinationTargetFromMessage(wire)).toEqual(target);
    expect(wire.workload).toMatchObject({ namespace: "ns1", name: "hello" });
  });

  it("a gateway", () => {
    const value = decideGateway({ ...input, pod: findTestPod(SET, "ns1/gw") });
    expect(value.listeners[0]?.virtualHosts[0]?.routes).toHaveLength(2);
    const wire = toBinary(WatchGatewayResponseSchema, messageFromGateway(value));
    expect(gatewayFromMessage(fromBinary(WatchGatewayResponseSchema, wire))).toEqual(value);
  });

  it("a trust bundle", () => {
    const value = { roots: ["a", "b"], trustDomains: [TEST_SETTINGS.trustDomain] };
    expect(trustBundleFromMessage(messageFromTrustBundle(value))).toEqual(value);
  });
});

describe("an unknown message never weakens policy", () => {
  it.each(["", "UNSET", "strict", "NEW_MODE"])("server mode %j is STRICT", (mode) => {
    const message = create(WatchInboundResponseSchema, { defaultMode: { mode }, ports: [{ port: 1, mode: { mode } }] });
    const inbound = inboundFromMessage(message);
    expect([inbound.defaultMode.mode, inbound.ports[0]?.mode.mode]).toEqual(["STRICT", "STRICT"]);
  });

  it("a missing server mode is STRICT", () => {
    expect(inboundFromMessage(create(WatchInboundResponseSchema)).defaultMode.mode).toBe("STRICT");
  });

  it("an empty destination is refused, not passed through", () => {
    expect(destinationFromMessage(create(WatchDestinationResponseSchema)).kind).toBe("refused");
  });

  it("an unknown protocol is forwarded as a byte stream", () => {
    const value = { host: "a", port: 1, protocol: "quic" };
    const message = create(WatchDestinationResponseSchema, { destination: { case: "mesh", value } });
    expect(destinationFromMessage(message)).toMatchObject({ protocol: "tcp" });
  });

  const mesh = (value: object) => () =>
    destinationFromMessage(
      create(WatchDestinationResponseSchema, {
        destination: { case: "mesh", value: { host: "a", port: 1, ...value } },
      }),
    );
  const match = (value: object) => () =>
    gatewayFromMessage(
      create(WatchGatewayResponseSchema, {
        listeners: [{ port: 80, virtualHosts: [{ hosts: ["*"], routes: [{ matches: [value] }] }] }],
      }),
    );
  it.each([
    { name: "an identity that is not a SPIFFE id", read: mesh({ identities: ["spiffe://cluster.local/ns/a"] }) },
    { name: "a destination's port 0", read: mesh({ port: 0 }) },
    { name: "an endpoint's port above 65535", read: mesh({ endpoints: [{ ip: "10.0.0.1", port: 65536 }] }) },
    {
      name: "a trust bundle without roots",
      read: () => trustBundleFromMessage(create(WatchTrustBundleResponseSchema, { trustDomains: ["a"] })),
    },
    {
      name: "a trust bundle without domains",
      read: () => trustBundleFromMessage(create(WatchTrustBundleResponseSchema, { roots: ["a"] })),
    },
    {
      name: "a malformed trust domain",
      read: () =>
        trustBundleFromMessage(create(WatchTrustBundleResponseSchema, { roots: ["a"], trustDomains: ["A/b"] })),
    },
    {
      name: "a request without a target",
      read: () => destinationTargetFromMessage(create(WatchDestinationRequestSchema)),
    },
    { name: "a match without a kind", read: match({ uri: {} }) },
    { name: "a header match without a kind", read: match({ headers: [{ name: "a" }] }) },
    { name: "a regex that does not compile", read: match({ uri: { match: { case: "regex", value: "(" } } }) },
    { name: "presence: false", read: match({ uri: { match: { case: "present", value: false } } }) },
  ])("$name is an error", ({ read }) => {
    expect(read).toThrow(MeshError);
  });
});

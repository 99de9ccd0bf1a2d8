import { describe, expect, it } from "vitest";
import { createTestSet, findTestPod, TEST_SETTINGS, testPod, testService } from "../resources/resource-set-fixture.ts";
import { decideDestination } from "./destinations/destination.ts";
import { decideInbound } from "./inbound.ts";

interface Declared {
  readonly service: string;
  readonly name: string;
  readonly appProtocol?: string;
}

const spec = { selector: { app: "world" } };
const client = { namespace: "ns1", labels: {} };

function services(...declared: readonly Declared[]): readonly string[] {
  return declared.map(({ service, ...port }) =>
    testService({ name: service, ports: [{ port: 80, targetPort: 9004, ...port }], spec }),
  );
}

/** The protocol and Service that the server's sidecar and a client of the pod's address decide on. */
function taken(...declared: readonly Declared[]): readonly unknown[] {
  const set = createTestSet(testPod({ name: "world", ip: "10.0.0.9" }), ...services(...declared));
  const inbound = decideInbound({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "ns1/world") });
  const port = inbound.ports.find((one) => one.port === 9004);
  const target = { kind: "address" as const, ip: "10.0.0.9", port: 9004 };
  const destination = decideDestination({ set, settings: TEST_SETTINGS, client, target });
  const caller = destination.kind === "mesh" ? [destination.protocol, destination.service?.name] : destination;
  expect(caller).toEqual([port?.protocol, port?.service?.name]);
  return [port?.protocol, port?.service?.name];
}

describe("a port of a pod that several Services lead to", () => {
  it.each([
    {
      name: "a declared protocol overrides none, even if the other Service is older",
      declared: [
        { service: "any", name: "ingest" },
        { service: "srv", name: "tcp-echo" },
      ],
      result: ["tcp", "srv"],
    },
    {
      name: "HTTP overrides none, too",
      declared: [
        { service: "any", name: "ingest" },
        { service: "srv", name: "http-web" },
      ],
      result: ["http", "srv"],
    },
    {
      name: "an unknown appProtocol declares nothing",
      declared: [
        { service: "any", name: "http", appProtocol: "example.com/own" },
        { service: "srv", name: "tcp" },
      ],
      result: ["tcp", "srv"],
    },
    {
      name: "of two conflicting protocols, the byte stream wins",
      declared: [
        { service: "a", name: "http" },
        { service: "b", name: "tcp" },
      ],
      result: ["tcp", "b"],
    },
    {
      name: "HTTP/2 wins over HTTP/1.1, because it needs less parsing",
      declared: [
        { service: "a", name: "http" },
        { service: "b", name: "grpc" },
        { service: "c", name: "other" },
      ],
      result: ["grpc", "b"],
    },
    {
      name: "HTTP/2 wins over gRPC, whose messages are parsed, too",
      declared: [
        { service: "a", name: "grpc" },
        { service: "b", name: "grpc-web" },
        { service: "c", name: "http2" },
      ],
      result: ["http2", "c"],
    },
    {
      name: "a byte stream wins over gRPC",
      declared: [
        { service: "a", name: "grpc" },
        { service: "b", name: "tcp" },
      ],
      result: ["tcp", "b"],
    },
    {
      name: "among Services that agree, the oldest applies",
      declared: [
        { service: "b", name: "http" },
        { service: "a", name: "http-x" },
      ],
      result: ["http", "a"],
    },
    {
      name: "without a declaration the protocol is detected, and the oldest Service applies",
      declared: [
        { service: "b", name: "one" },
        { service: "a", name: "two" },
      ],
      result: [undefined, "a"],
    },
  ])("$name", ({ declared, result }) => {
    expect(taken(...declared)).toEqual(result);
    expect(taken(...declared.toReversed())).toEqual(result);
  });
});

import { describe, expect, it } from "vitest";
import { createTestSet, testPod, testService } from "../../mesh/resources/resource-set-fixture.ts";
import { findGrpcPortFindings } from "./grpc-port-findings.ts";

interface Port {
  readonly name?: string;
  readonly appProtocol?: string;
  readonly targetPort?: string | number;
}

function messages(port: Port, meshed = true): readonly string[] {
  const set = createTestSet(
    testPod({ name: "web", meshed }),
    testService({ name: "web", ports: [{ port: 80, ...port }] }),
  );
  return findGrpcPortFindings(set).map(({ code, message }) => `${code} ${message}`);
}

describe("a port that seems to be gRPC", () => {
  it.each<{ readonly port: Port; readonly expected: string }>([
    {
      port: { name: "http-grpc" },
      expected: 'ENT0016 port 80 seems to be gRPC ("http-grpc"), but its name makes it HTTP/1.1',
    },
    { port: { name: "tcp-grpc-api" }, expected: '("tcp-grpc-api"), but its name makes it a stream, without requests' },
    { port: { name: "http", targetPort: "grpc" }, expected: '("grpc"), but its name makes it HTTP/1.1' },
    {
      port: { name: "grpc", appProtocol: "tcp" },
      expected: '("grpc"), but appProtocol "tcp" makes it a stream, without requests',
    },
    { port: { name: "grpc-webhook" }, expected: 'is gRPC-Web, because "grpc-webhook" begins with grpc-web' },
  ])("$port is reported", ({ port, expected }) => {
    expect(messages(port)).toEqual([expect.stringContaining(expected)]);
    expect(messages(port)[0]).toContain("name the port grpc or grpc-SUFFIX, or set appProtocol to grpc");
  });

  it.each<{ readonly port: Port }>([
    { port: { name: "grpc" } },
    { port: { name: "grpc-api", targetPort: "grpc" } },
    { port: { name: "http2-grpc" } },
    { port: { name: "http", appProtocol: "grpc", targetPort: "grpc" } },
    { port: { name: "tls-grpc" } },
    { port: { name: "grpc-web" } },
    { port: { name: "grpc-web-shop" } },
    { port: { name: "http", targetPort: 8080 } },
    { port: { name: "http-grpcish" } },
    { port: {} },
  ])("$port is not", ({ port }) => {
    expect(messages(port)).toEqual([]);
  });

  it("without a sidecar behind it is not", () => {
    expect(messages({ name: "http-grpc" }, false)).toEqual([]);
  });
});

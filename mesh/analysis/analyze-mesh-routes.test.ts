import { describe, expect, it } from "vitest";
import { formatConfigProblem } from "../resources/config-problem.ts";
import { createTestSet, testPod, testResource, testService } from "../resources/resource-set-fixture.ts";
import { analyzeResourceSet } from "./analyze-resource-set.ts";

const HOST = "world.ns2.svc.cluster.local";
const POD = testPod({ name: "world-1", namespace: "ns2", labels: { app: "world" } });
const WORLD = testService({ name: "world", namespace: "ns2" });
const TWO_PORTS = testService({
  name: "world",
  namespace: "ns2",
  ports: [
    { name: "http", port: 80 },
    { name: "http-b", port: 81 },
  ],
});

function vs(name: string, spec: object = {}, metadata: object = {}): string {
  return testResource(
    "VirtualService",
    name,
    { hosts: [HOST], http: [to()], ...spec },
    { namespace: "ns2", ...metadata },
  );
}

function to(more: object = {}): object {
  return { route: [{ destination: { host: HOST } }], ...more };
}

function analyze(...resources: readonly string[]): readonly string[] {
  return analyzeResourceSet(createTestSet(POD, ...resources)).map(formatConfigProblem);
}

describe("the analysis of routes for sidecars", () => {
  it.each([
    {
      name: "hosts without a service",
      resources: [WORLD, vs("a", { hosts: ["wrld", "shop.example"] })],
      warning:
        /spec\.hosts: no service has the host wrld\.ns2\.svc\.cluster\.local, shop\.example, so sidecars do not use this route/,
    },
    {
      name: "a second VirtualService of a host",
      resources: [WORLD, vs("a"), vs("b", { hosts: ["world"] })],
      warning: /VirtualService\/b\.ns2: spec\.hosts: sidecars use VirtualService\/a\.ns2, which is older/,
    },
    {
      name: "a headless service",
      resources: [testService({ name: "world", namespace: "ns2", clusterIP: "None" }), vs("a")],
      warning: /spec\.hosts\[0\]: world\.ns2\.svc\.cluster\.local is headless/,
    },
    {
      name: "a service that carries no requests",
      resources: [
        testService({
          name: "world",
          namespace: "ns2",
          ports: [
            { name: "tls", port: 80 },
            { name: "tcp-x", port: 81 },
          ],
        }),
        vs("a", { http: [to({ route: [{ destination: { host: HOST, port: { number: 80 } } }] })] }),
      ],
      warning: /spec\.hosts\[0\]: .* has no port that carries requests/,
    },
    {
      name: "a target without a port, for another service that has two ports",
      resources: [
        TWO_PORTS,
        testService({ name: "front", namespace: "ns2", clusterIP: "10.96.0.9" }),
        vs("a", { hosts: ["front"] }),
      ],
      warning: /spec\.http\[0\]\.route\[0\]\.destination: .* has 2 ports: name one/,
    },
    {
      name: "a retry condition that is not supported",
      resources: [WORLD, vs("a", { http: [to(), to({ retries: { attempts: 1, retryOn: "5xx,retriable-headers" } })] })],
      warning: /spec\.http\[1\]\.retries\.retryOn: retriable-headers is not supported and has no effect/,
    },
    {
      name: "a variable in a header",
      resources: [WORLD, vs("a", { http: [to({ headers: { request: { set: { a: "%REQ(b)%" } } } })] })],
      warning: /spec\.http\[0\]: the header value "%REQ\(b\)%" has a variable, .*: requests receive 503/,
    },
    {
      name: "retries of a gateway",
      resources: [WORLD, vs("a", { gateways: ["gw"], http: [to({ retries: { attempts: 1 } })] })],
      warning: /spec\.http\[0\]\.retries: gateways retry only requests without a body/,
    },
  ])("warns of $name", ({ resources, warning }) => {
    expect(analyze(...resources).join("\n")).toMatch(warning);
  });

  it.each([
    { name: "a VirtualService of a service", resources: [WORLD, vs("a")] },
    ...["grpc", "http2", "grpc-web"].map((name) => ({
      name: `a VirtualService of a service whose port is ${name}`,
      resources: [testService({ name: "world", namespace: "ns2", ports: [{ name, port: 80 }] }), vs("a")],
    })),
    {
      name: "one whose other host belongs to a gateway",
      resources: [WORLD, vs("a", { hosts: ["shop.example", "world"] })],
    },
    {
      name: "two for different clients",
      resources: [WORLD, vs("a", { exportTo: ["."] }, { namespace: "ns3" }), vs("b", { exportTo: ["."] })],
    },
    {
      name: "a target without a port, for the service itself with two ports",
      resources: [TWO_PORTS, vs("a")],
    },
    { name: "disabled retries", resources: [WORLD, vs("a", { http: [to({ retries: { attempts: 0 } })] })] },
    {
      name: "retries of sidecars",
      resources: [WORLD, vs("a", { http: [to({ retries: { attempts: 2, retryOn: "5xx" } })] })],
    },
  ])("gives no warning for $name", ({ resources }) => {
    expect(analyze(...resources)).toEqual([]);
  });
});

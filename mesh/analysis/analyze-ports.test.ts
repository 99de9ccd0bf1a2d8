import { describe, expect, it } from "vitest";
import { formatConfigProblem } from "../resources/config-problem.ts";
import { createTestSet, testPod, testService } from "../resources/resource-set-fixture.ts";
import { analyzeResourceSet } from "./analyze-resource-set.ts";

function warnings(ports: Readonly<Record<string, string>>, pods = ["one", "two"]): readonly string[] {
  const replicas = pods.map((name, i) => testPod({ name, ip: `10.0.0.${i + 1}`, labels: { app: "world" } }));
  const services = Object.entries(ports).map(([name, port]) =>
    testService({
      name,
      ports: [
        { name: "odd", port: 1 },
        { name: port, port: 80, targetPort: 9004 },
      ],
      spec: { selector: { app: "world" } },
    }),
  );
  return analyzeResourceSet(createTestSet(...replicas, ...services)).map(formatConfigProblem);
}

describe("Services that lead to one container port", () => {
  it("with conflicting protocols are reported once, for any number of replicas", () => {
    expect(warnings({ any: "http-ingest", srv: "tcp-echo" })).toEqual([
      expect.stringMatching(
        /warning: Service\/any\.ns1: spec\.ports\[1\]: declares container port 9004 of app world\.ns1 as http, and Service\/srv\.ns1 port 80 declares it as tcp; it is treated as tcp/,
      ),
    ]);
  });

  it("are each reported if three declare three protocols", () => {
    const found = warnings({ a: "http", b: "grpc", c: "tcp" });
    expect(found.map((text) => /Service\/\w/.exec(text)?.[0])).toEqual(["Service/a", "Service/b"]);
  });

  it.each([
    { name: "if they agree", ports: { any: "tcp", srv: "tcp-echo" } },
    { name: "if one declares no protocol", ports: { any: "ingest", srv: "tcp-echo" } },
    { name: "if there is only one", ports: { srv: "tcp-echo" } },
  ])("are not reported $name", ({ ports }) => {
    expect(warnings(ports)).toEqual([]);
  });
});

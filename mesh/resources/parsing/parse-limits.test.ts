import { describe, expect, it } from "vitest";
import { formatConfigProblem } from "../config-problem.ts";
import { parseResources } from "./parse-resources.ts";

const problemsOf = (text: string) => parseResources({ text, file: "a.yaml" }).problems.map(formatConfigProblem);

describe("unsupported fields", () => {
  it.each([
    {
      name: "a load balancer",
      spec: "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM}}}",
      kind: "DestinationRule",
      problem:
        "a.yaml:5: warning: DestinationRule/x.default: spec.trafficPolicy.loadBalancer: is not supported and has no effect; remove it, or do not rely on it",
    },
    {
      name: "a misspelled field",
      spec: "{host: a, trafficPolicy: {tls: {mdoe: DISABLE}}}",
      kind: "DestinationRule",
      problem: /warning: .* spec\.trafficPolicy\.tls\.mdoe: is not supported/,
    },
    {
      name: "a mirror",
      spec: "{hosts: [a], http: [{mirror: {host: a}}]}",
      kind: "VirtualService",
      problem: /warning: .* spec\.http\[0\]\.mirror: is not supported: requests that match this route receive 503/,
    },
    {
      name: "a backoff between retries",
      spec: "{hosts: [a], http: [{retries: {attempts: 1, backoff: 3s}}]}",
      kind: "VirtualService",
      problem: /spec\.http\[0\]\.retries\.backoff: is not supported and has no effect/,
    },
    {
      name: "TCP routes",
      spec: "{hosts: [a], tcp: []}",
      kind: "VirtualService",
      problem: /spec\.tcp: is not supported/,
    },
  ])("get a warning, and the resource is used: $name", ({ spec, kind, problem }) => {
    const text = `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata:\n  name: x\nspec: ${spec}\n`;
    const parsed = parseResources({ text, file: "a.yaml" });
    expect(parsed.resources).toHaveLength(1);
    expect(parsed.resources[0]?.unsupported).toHaveLength(1);
    expect(problemsOf(text)).toEqual([expect.stringMatching(problem)]);
  });

  it("of end-user authentication get a warning too", () => {
    const text =
      "apiVersion: authentication.istio.io/v1alpha1\nkind: MeshPolicy\nmetadata: {name: default}\nspec: {origins: [{jwt: {}}], peers: [{mtls: {}}]}";
    expect(problemsOf(text)).toEqual([expect.stringMatching(/spec\.origins: is not supported/)]);
  });
});

describe("kinds that do not concern the mesh", () => {
  it.each([
    { apiVersion: "v1", kind: "ConfigMap" },
    { apiVersion: "apps/v1", kind: "StatefulSet" },
    { apiVersion: "gateway.networking.k8s.io/v1", kind: "Gateway" },
    { apiVersion: "example.com/v1", kind: "Anything" },
  ])("are ignored with a warning: $apiVersion $kind", ({ apiVersion, kind }) => {
    expect(problemsOf(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: c}`)).toEqual([
      `a.yaml:2: warning: ${kind}/c: kind: ${kind} (${apiVersion}) does not configure the mesh and is ignored`,
    ]);
  });

  it.each(["Node", "ServiceAccount"])("are left out without a word if every application has them: %s", (kind) => {
    expect(problemsOf(`apiVersion: v1\nkind: ${kind}\nmetadata: {name: c}`)).toEqual([]);
  });
});

describe("a document that tries to exhaust the machine", () => {
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
  for (let depth = 0; depth < 8; depth += 1) {
    const [before, name] = ["abcdefghi"[depth], "bcdefghij"[depth]];
    bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(",")}]`);
  }

  it.each([
    { name: "an alias bomb", text: bomb.join("\n"), problem: /Excessive alias count/ },
    {
      name: "an alias inside its own anchor",
      text: "a: &a [*a, *a, *a]",
      problem: /nested more than 64 deep|more than 100000 values/,
    },
    { name: "20000 open brackets", text: "[".repeat(20_000), problem: /malformed YAML/ },
    { name: "nesting 100 deep", text: `a: ${"[".repeat(100)}${"]".repeat(100)}`, problem: /nested more than 64 deep/ },
    { name: "200000 values", text: `a: [${"1,".repeat(200_000)}1]`, problem: /more than 100000 values; split it/ },
    { name: "1.2 MB in 600000 characters", text: `a: ${"é".repeat(600_000)}`, problem: /1200003 bytes; the limit/ },
    { name: "2 MB of text", text: `a: ${"x".repeat(2_000_000)}`, problem: /the limit is 1048576: split it/ },
  ])("is refused: $name", ({ text, problem }) => {
    const problems = problemsOf(text);
    expect(problems.join("\n")).toMatch(problem);
    expect(problems.length).toBeLessThanOrEqual(3);
  });
});

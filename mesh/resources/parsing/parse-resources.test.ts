import { describe, expect, it } from "vitest";
import { formatConfigProblem } from "../config-problem.ts";
import { parseResources } from "./parse-resources.ts";

const parse = (text: string) => parseResources({ text, file: "a.yaml" });
const problemsOf = (text: string) => parse(text).problems.map(formatConfigProblem);
const namesOf = (text: string) =>
  parse(text).resources.map(({ kind, metadata }) => `${kind}/${metadata.name}.${metadata.namespace}`);

/** A resource in flow style, so that tables stay readable; `spec` is on line 5. */
function resource(apiVersion: string, kind: string, spec: string, name = "x"): string {
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec: ${spec}\n`;
}

const authentication = (kind: string, spec: string, name?: string) =>
  resource("authentication.istio.io/v1alpha1", kind, spec, name);
const peerAuthentication = (spec: string) => resource("security.istio.io/v1", "PeerAuthentication", spec);
const networking = (kind: string, spec: string) => resource("networking.istio.io/v1alpha3", kind, spec);

describe("a valid file", () => {
  it("returns its resources in order, without problems", () => {
    const text = `# a comment
apiVersion: v1
kind: Namespace
metadata: {name: ns1, labels: {istio-injection: enabled}}
---
${authentication("MeshPolicy", "{peers: [{mtls: {}}]}", "default")}---
---
${networking("DestinationRule", '{host: "*.local", trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}')}`;
    expect(problemsOf(text)).toEqual([]);
    expect(namesOf(text)).toEqual(["Namespace/ns1.", "MeshPolicy/default.", "DestinationRule/x.default"]);
  });

  it("is parsed as by kubectl, as YAML 1.1", () => {
    const { resources } = parse(resource("v1", "Service", "{ports: [{port: 0120}], publishNotReadyAddresses: on}"));
    expect(resources).toMatchObject([{ spec: { ports: [{ port: 80 }], publishNotReadyAddresses: true } }]);
    const label = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {a: yes}}\n";
    expect(problemsOf(label)).toEqual([
      "a.yaml:3: error: Namespace/a: metadata.labels.a: must be text, is true: put it in quotes",
    ]);
    expect(problemsOf(label.replace("yes", '"yes"'))).toEqual([]);
  });

  it.each(["v1alpha3", "v1beta1", "v1"])("may use networking.istio.io/%s", (version) => {
    expect(namesOf(resource(`networking.istio.io/${version}`, "Gateway", "{}"))).toEqual(["Gateway/x.default"]);
  });

  it("has resources without a namespace in `default`, as with kubectl", () => {
    expect(namesOf("apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace:}")).toEqual(["Pod/a.default"]);
  });

  it("may contain a List", () => {
    const text =
      "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: v1, kind: Pod, metadata: {name: 7}}\n";
    expect(namesOf(text)).toEqual(["Namespace/a."]);
    expect(problemsOf(text)).toEqual(["a.yaml:5: error: metadata.name: must be text, is 7: put it in quotes"]);
  });

  it("has the origin of each resource", () => {
    expect(parse("---\n\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}").resources[0]?.origin).toEqual({
      file: "a.yaml",
      line: 4,
    });
  });

  it("may use anchors and merge keys", () => {
    const text =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: &l {a: b}}\nspec: {containers: [{name: c}], nodeSelector: {<<: *l, c: d}}\n";
    expect(parse(text).resources[0]).toMatchObject({ spec: { nodeSelector: { a: "b", c: "d" } } });
  });

  it("keeps unused fields of Kubernetes' own kinds", () => {
    const text = resource(
      "apps/v1",
      "Deployment",
      "{template: {spec: {volumes: [{name: v}], containers: [{name: c, tty: true}]}}}",
    );
    expect(parse(text).problems).toEqual([]);
    expect(parse(text).resources[0]).toMatchObject({
      spec: {
        replicas: 1,
        template: { spec: { serviceAccountName: "default", volumes: [{ name: "v" }], containers: [{ tty: true }] } },
      },
    });
  });

  it("parses a legacy policy's empty peer as STRICT, which is what `kubectl apply` makes of `mtls:`", () => {
    expect(parse(authentication("MeshPolicy", "{peers: [{}]}", "default")).resources[0]).toMatchObject({
      spec: { peers: [{ mtls: { mode: "STRICT" } }] },
    });
    expect(parse(authentication("MeshPolicy", "{peers: [{jwt: {}}]}", "default")).resources[0]).toMatchObject({
      spec: { peers: [{}] },
    });
  });

  it("parses `mtls:` without a value as STRICT in a legacy policy, and as UNSET in a PeerAuthentication", () => {
    expect(parse(authentication("MeshPolicy", "{peers: [{mtls: }]}", "default")).resources[0]).toMatchObject({
      spec: { peers: [{ mtls: { mode: "STRICT" } }] },
    });
    expect(parse(peerAuthentication("{mtls: }")).resources[0]).toMatchObject({ spec: { mtls: { mode: "UNSET" } } });
  });
});

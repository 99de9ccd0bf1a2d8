import { describe, expect, it } from "vitest";
import { formatConfigProblem } from "../config-problem.ts";
import { parseResources } from "./parse-resources.ts";

const parse = (text: string) => parseResources({ text, file: "a.yaml" });

/** A resource in flow style, so that tables stay readable; `spec` is on line 5. */
function resource(apiVersion: string, kind: string, spec: string, name = "x"): string {
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec: ${spec}\n`;
}

const authentication = (kind: string, spec: string, name?: string) =>
  resource("authentication.istio.io/v1alpha1", kind, spec, name);
const peerAuthentication = (spec: string) => resource("security.istio.io/v1", "PeerAuthentication", spec);
const networking = (kind: string, spec: string) => resource("networking.istio.io/v1alpha3", kind, spec);
const route = (http: string) => networking("VirtualService", `{hosts: [a.b], http: [${http}]}`);

describe("an invalid document is reported and not used", () => {
  it.each([
    { name: "malformed YAML", text: "a: [1", problem: /^a\.yaml:2: error: malformed YAML: .+/ },
    { name: "a tab as indent", text: "a:\n\tb: 1", problem: /^a\.yaml:2: error: malformed YAML: Tabs are not allowed/ },
    {
      name: "a duplicate field",
      text: "a: 1\na: 2",
      problem: /^a\.yaml:2: error: malformed YAML: Map keys must be unique/,
    },
    {
      name: "an unknown tag",
      text: "a: !!js/function x",
      problem: /^a\.yaml:1: error: malformed YAML: Unresolved tag/,
    },
    { name: "an unknown alias", text: "a: *b", problem: /malformed YAML: Unresolved alias/ },
    { name: "text instead of a mapping", text: "hello", problem: /^a\.yaml:1: error: a resource must be a mapping/ },
    { name: "no apiVersion", text: "kind: Pod", problem: "a.yaml:1: error: apiVersion: is missing" },
    {
      name: "a kind that is not a text",
      text: "apiVersion: v1\nkind: 3",
      problem: "a.yaml:2: error: kind: must be text",
    },
    { name: "no metadata", text: "apiVersion: v1\nkind: Namespace", problem: /metadata: is missing/ },
    {
      name: "no name",
      text: "apiVersion: v1\nkind: Namespace\nmetadata: {}",
      problem: "a.yaml:3: error: metadata.name: is missing",
    },
    {
      name: "a name that is not a DNS name",
      text: "apiVersion: v1\nkind: Namespace\nmetadata: {name: A_b}",
      problem: /^a\.yaml:3: error: Namespace\/A_b: metadata\.name: must be a DNS name .* is "A_b"$/,
    },
    {
      name: "a label that is a number",
      text: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {version: 1}}",
      problem: "a.yaml:3: error: Pod/a.default: metadata.labels.version: must be text, is 1: put it in quotes",
    },
    {
      name: "an unknown Kubernetes kind",
      text: resource("apps/v1", "Deplyoment", "{}"),
      problem: /^a\.yaml:2: error: Deplyoment\/x: kind: unknown kind "Deplyoment" in "apps\/v1": check its spelling$/,
    },
    {
      name: "a kind in the wrong Kubernetes group",
      text: resource("v1", "Deployment", "{}"),
      problem: /it belongs to apps\/v1$/,
    },
    {
      name: "an unknown Istio kind",
      text: resource("networking.istio.io/v1", "DestinationRules", "{}"),
      problem: /unknown kind "DestinationRules": networking\.istio\.io has DestinationRule, VirtualService, Gateway$/,
    },
    {
      name: "a kind in the wrong Istio group",
      text: resource("security.istio.io/v1", "MeshPolicy", "{}"),
      problem: /unknown kind "MeshPolicy": it belongs to authentication\.istio\.io\/v1alpha1$/,
    },
    {
      name: "an unsupported Istio kind",
      text: resource("networking.istio.io/v1alpha3", "EnvoyFilter", "{}"),
      problem: /EnvoyFilter is not supported yet/,
    },
    {
      name: "an unknown version",
      text: resource("networking.istio.io/v2", "Gateway", "{}"),
      problem:
        /^a\.yaml:1: error: Gateway\/x: apiVersion: Gateway has the versions networking\.istio\.io\/v1, .*: use one of these$/,
    },
    {
      name: "a MeshPolicy not named `default`",
      text: authentication("MeshPolicy", "{peers: [{mtls: {}}]}", "mine"),
      problem:
        "a.yaml:4: error: MeshPolicy/mine: metadata.name: a MeshPolicy must be named `default`; for one namespace use a Policy",
    },
    {
      name: "a MeshPolicy without a spec",
      text: "apiVersion: authentication.istio.io/v1alpha1\nkind: MeshPolicy\nmetadata: {name: default}",
      problem: /MeshPolicy\/default: spec: is missing/,
    },
    {
      name: "a Policy without targets and not named `default`",
      text: authentication("Policy", "{peers: []}"),
      problem: /^a\.yaml:4: error: Policy\/x\.default: metadata\.name: .* must be named `default`/,
    },
    {
      name: "a Policy named `default` with targets",
      text: authentication("Policy", "{targets: [{name: a}]}", "default"),
      problem: /^a\.yaml:5: error: Policy\/default\.default: spec\.targets: /,
    },
    {
      name: "a target that is not a short name",
      text: authentication("Policy", "{targets: [{name: a.ns1}]}"),
      problem: /spec\.targets\[0\]\.name: must be the short name of a Service/,
    },
    {
      name: "a target's port with both number and name",
      text: authentication("Policy", "{targets: [{name: a, ports: [{number: 80, name: http}]}]}"),
      problem: /give either `number` or `name`/,
    },
    {
      name: "an unknown legacy mode",
      text: authentication("MeshPolicy", "{peers: [{mtls: {mode: DISABLE}}]}", "default"),
      problem: /spec\.peers\[0\]\.mtls\.mode: must be one of STRICT, PERMISSIVE, is "DISABLE"/,
    },
    {
      name: "portLevelMtls without a selector",
      text: peerAuthentication("{portLevelMtls: {80: {mode: STRICT}}}"),
      problem: /spec\.portLevelMtls: portLevelMtls needs a selector: add `selector\.matchLabels`/,
    },
    {
      name: "a PeerAuthentication in a dry run",
      text: peerAuthentication("{}").replace("name: x", 'name: x\n  annotations: {istio.io/dry-run: "true"}'),
      problem: /is not for PeerAuthentication, which would be enforced: remove the annotation/,
    },
    {
      name: "portLevelMtls of port 0",
      text: peerAuthentication("{selector: {matchLabels: {a: b}}, portLevelMtls: {0: {mode: STRICT}}}"),
      problem: /must be a port number from 1 to 65535/,
    },
    {
      name: "a selector with an unknown condition",
      text: peerAuthentication("{selector: {matchExpressions: []}}"),
      problem: /spec\.selector: has the unknown field matchExpressions: correct its spelling, or remove it/,
    },
    {
      name: "a mode in lower case",
      text: peerAuthentication("{mtls: {mode: strict}}"),
      problem: /must be one of UNSET, DISABLE, PERMISSIVE, STRICT, is "strict"/,
    },
    {
      name: "a DestinationRule without a host",
      text: networking("DestinationRule", "{}"),
      problem: "a.yaml:5: error: DestinationRule/x.default: spec.host: is missing",
    },
    {
      name: "a `*` inside a host",
      text: networking("DestinationRule", '{host: "a.*"}'),
      problem: /spec\.host: must be a host name, `\*`, or `\*\.` and a suffix/,
    },
    {
      name: "an unknown TLS mode",
      text: networking("DestinationRule", "{host: a, trafficPolicy: {tls: {mode: MTLS}}}"),
      problem: /must be one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL, is "MTLS"/,
    },
    {
      name: "a subject that is not a SPIFFE id",
      text: networking(
        "DestinationRule",
        "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, subjectAltNames: [a.b]}}}",
      ),
      problem: /spec\.trafficPolicy\.tls\.subjectAltNames\[0\]: .* SPIFFE id/,
    },
    {
      name: "a port above 65535",
      text: networking("Gateway", "{servers: [{port: {number: 70000, protocol: HTTP}, hosts: [a]}]}"),
      problem: /spec\.servers\[0\]\.port\.number: must be at most 65535, is 70000/,
    },
    {
      name: "a port that is text",
      text: networking("Gateway", '{servers: [{port: {number: "80", protocol: HTTP}, hosts: [a]}]}'),
      problem: /must be a number, is "80"/,
    },
    {
      name: "a server without hosts",
      text: networking("Gateway", "{servers: [{port: {number: 80, protocol: HTTP}, hosts: []}]}"),
      problem: /hosts: must be at least 1 items long, is an empty list/,
    },
    {
      name: "a list instead of a mapping",
      text: networking("Gateway", "{selector: [a]}"),
      problem: /spec\.selector: must be a mapping, is a list/,
    },
    {
      name: "a regex that does not compile",
      text: route("{match: [{uri: {regex: '('}}]}"),
      problem: /spec\.http\[0\]\.match\[0\]\.uri\.regex: not an RE2 regex/,
    },
    {
      name: "a regex with exponential size",
      text: route("{match: [{uri: {regex: '((((((a?){9}){9}){9}){9}){9}){9}'}}]}"),
      problem: /regex: (?:the regex compiles to|not an RE2 regex: .*repeat count)/,
    },
    {
      name: "a regex of a thousand repetitions of a class",
      text: route("{match: [{uri: {regex: '(\\pL{1000}){1}|\\pN{1000}'}}]}"),
      problem: /the regex compiles to \d+ steps; at most 1024/,
    },
    {
      name: "a regex of 2000 characters",
      text: route(`{match: [{uri: {regex: '${"a".repeat(2000)}'}}]}`),
      problem: /the regex has 2000 characters; at most 1024/,
    },
    {
      name: "a match with two kinds",
      text: route("{match: [{uri: {exact: a, prefix: b}}]}"),
      problem: /give exactly one of `exact`, `prefix` and `regex`/,
    },
    { name: "a match without a kind", text: route("{match: [{uri: {}}]}"), problem: /give exactly one/ },
    {
      name: "a wildcard as destination",
      text: route('{route: [{destination: {host: "*.a"}}]}'),
      problem: /a destination must be one host/,
    },
    {
      name: "weights that add up to 0",
      text: route("{route: [{destination: {host: a}}, {destination: {host: b}, weight: 0}]}"),
      problem: /add up to 0: give at least one of them a `weight`/,
    },
    {
      name: "a pod's service account that is not a valid identity",
      text: resource("v1", "Pod", "{serviceAccountName: a/b}"),
      problem: /spec\.serviceAccountName: must be a DNS name/,
    },
    {
      name: "a field named __proto__",
      text: "__proto__: {kind: Pod}\nkind: Pod",
      problem: /`__proto__` is not allowed/,
    },
  ])("$name", ({ text, problem }) => {
    const good = "apiVersion: v1\nkind: Namespace\nmetadata: {name: good}\n";
    const { resources, problems } = parse(`${text}\n---\n${good}`);
    expect(problems.every(({ severity }) => severity === "error")).toBe(true);
    if (typeof problem === "string") expect(problems.map(formatConfigProblem)).toContain(problem);
    else expect(problems.map(formatConfigProblem).join("\n")).toMatch(problem);
    expect(resources.map(({ metadata }) => metadata.name)).toEqual(["good"]);
  });
});

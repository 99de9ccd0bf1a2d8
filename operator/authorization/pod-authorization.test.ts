import { describe, expect, it } from "vitest";
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../../mesh/resources/resource-set-fixture.ts";
import { PLAIN } from "../text/palette.ts";
import { formatPodAuthorization } from "./format-pod-authorization.ts";
import { describePodAuthorization } from "./pod-authorization.ts";
import { describeServiceAuthorization } from "./service-authorization.ts";

const POD = testPod({ name: "world", namespace: "ns2", labels: { app: "world" } });
const policy = (name: string, spec: object, metadata = {}) =>
  testResource("AuthorizationPolicy", name, spec, { namespace: "ns2", ...metadata });
const selector = { matchLabels: { app: "world" } };

function describeWith(...resources: readonly string[]) {
  const facts = { set: createTestSet(POD, ...resources), settings: TEST_SETTINGS };
  const report = describePodAuthorization(facts, findTestPod(facts.set, "ns2/world"));
  return { ...report, text: formatPodAuthorization(report, undefined, PLAIN) };
}

describe("the policies of a pod", () => {
  it("are shown in the order in which its proxy asks them, with their scope", () => {
    const { policies, byDefault, text } = describeWith(
      policy("audit", { action: "AUDIT", rules: [{}] }),
      policy("allow", { selector, rules: [{}] }),
      policy("mesh", { action: "DENY", rules: [{}] }, { namespace: "istio-system" }),
      policy("dry", { action: "DENY", rules: [{}] }, { annotations: { "istio.io/dry-run": "true" } }),
      policy("custom", { action: "CUSTOM", provider: { name: "opa" }, rules: [{}] }),
      policy("others", { selector: { matchLabels: { app: "other" } }, rules: [{}] }),
      policy("elsewhere", { rules: [{}] }, { namespace: "ns1" }),
    );
    expect(policies.map(({ action, name, scope, isDryRun }) => [action, name, scope.kind, isDryRun])).toEqual([
      ["CUSTOM", "custom", "namespace", false],
      ["AUDIT", "audit", "namespace", false],
      ["DENY", "mesh", "mesh", false],
      ["DENY", "dry", "namespace", true],
      ["ALLOW", "allow", "selector", false],
    ]);
    expect(byDefault).toBe("denied");
    expect(text).toContain("CUSTOM: no provider is asked");
  });

  it("are shown with what their rules mean on ports that do not carry HTTP", () => {
    const http = [{ to: [{ operation: { methods: ["GET"] } }] }, { from: [{ source: { namespaces: ["ns1"] } }] }];
    const { policies, text } = describeWith(
      policy("allow", { rules: http }),
      policy("deny", { action: "DENY", rules: http }),
    );
    expect(policies.map(({ name, rules }) => [name, ...rules.map(({ onStreams }) => onStreams)])).toEqual([
      ["deny", "wider", "same"],
      ["allow", "dropped", "same"],
    ]);
    expect(text).toMatch(/ALLOW +AuthorizationPolicy\/allow\.ns2 +namespace +0 +dropped +to method GET\n/);
    expect(text).toMatch(/ +1 +same +from namespace ns1\n/);
  });

  it("leave what they do not deny allowed if none of them allows", () => {
    const dry = { annotations: { "istio.io/dry-run": "true" } };
    const { byDefault, text } = describeWith(
      policy("deny", { action: "DENY", rules: [{ from: [{ source: { namespaces: ["a"] } }] }] }),
      policy("dry", { rules: [{}] }, dry),
    );
    expect(byDefault).toBe("allowed");
    expect(text).toContain("ALLOW (dry run)");
    expect(text).toContain("what is not denied is allowed");
  });

  it("are none, so that the mode of peer authentication alone decides who comes in", () => {
    const mode = (value: string) =>
      testResource("PeerAuthentication", "default", { mtls: { mode: value } }, { namespace: "ns2" });
    expect(describeWith().text).toContain(
      "No AuthorizationPolicy applies: everything is allowed, also to clients without an identity by PERMISSIVE (default).",
    );
    expect(describeWith(mode("STRICT")).text).toContain(
      "everything is allowed to every workload of the mesh by STRICT (PeerAuthentication/default.ns2).",
    );
  });

  it("are not enforced without a sidecar", () => {
    const bare = testPod({ name: "bare", namespace: "ns2", ip: "10.0.0.9", meshed: false });
    const facts = { set: createTestSet(bare, policy("nothing", {})), settings: TEST_SETTINGS };
    const report = describePodAuthorization(facts, findTestPod(facts.set, "ns2/bare"));
    expect(report).toMatchObject({ proxy: "none", policies: [] });
    expect(formatPodAuthorization(report, undefined, PLAIN)).toContain("no policy is enforced");
  });

  it("come with the issuers whose tokens are verified", () => {
    const jwtRules = [{ issuer: "https://i.example", audiences: ["a", "b"], jwks: '{"keys":[]}' }];
    const { text } = describeWith(testResource("RequestAuthentication", "t", { jwtRules }, { namespace: "ns2" }));
    expect(text).toMatch(/Tokens: +RequestAuthentication\/t\.ns2\[0\]: issuer https:\/\/i\.example for a or b/);
  });
});

it("the policies of a service say for how many of its pods they are", () => {
  const other = testPod({ name: "other", namespace: "ns2", ip: "10.0.0.2", labels: { app: "world", version: "v2" } });
  const set = createTestSet(
    POD,
    other,
    testService({ name: "world", namespace: "ns2" }),
    policy("all", { action: "DENY", rules: [{}] }),
    policy("v2", { selector: { matchLabels: { version: "v2" } }, rules: [{}] }),
  );
  const service = set.services.get("ns2/world");
  expect(service && describeServiceAuthorization({ set, settings: TEST_SETTINGS }, service)).toEqual([
    { policy: "AuthorizationPolicy/all.ns2", action: "DENY", isDryRun: false, pods: 2, allPods: 2 },
    { policy: "AuthorizationPolicy/v2.ns2", action: "ALLOW", isDryRun: false, pods: 1, allPods: 2 },
  ]);
});

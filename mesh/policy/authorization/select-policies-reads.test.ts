import { describe, expect, it } from "vitest";
import { parseResources } from "../../resources/parsing/parse-resources.ts";
import { EMPTY_SET, resourceKey, type UpdatableSet, updateResourceSet } from "../../resources/resource-set.ts";
import { findTestPod, TEST_SETTINGS, testPod, testResource } from "../../resources/resource-set-fixture.ts";
import { trackReads } from "../../resources/set/track-reads.ts";
import { decideInbound } from "../inbound.ts";
import { decideGateway } from "../routing/gateway.ts";

const PODS = ["foo/web", "foo/db", "bar/web", "istio-system/ingress"];

function apply(set: UpdatableSet, ...texts: readonly string[]) {
  const { resources } = parseResources({ text: texts.join("\n---\n"), file: "test.yaml" });
  const updates = resources.map((resource) => ({ kind: resource.kind, key: resourceKey(resource), resource }));
  return updateResourceSet(set, updates);
}

const pods = PODS.map((key) => {
  const [namespace = "", name = ""] = key.split("/");
  return testPod({ name, namespace, ip: `10.0.0.${PODS.indexOf(key) + 1}` });
});
const { set: SET } = apply(EMPTY_SET, ...pods);

/** The pods of which a change makes it necessary to decide again. */
function affectedBy(namespace: string, decide: typeof decideInbound | typeof decideGateway): readonly string[] {
  const { change } = apply(SET, testResource("AuthorizationPolicy", "p", { rules: [{}] }, { namespace }));
  return PODS.filter((key) => {
    const reads = new Set<string>();
    const view = trackReads(SET, (read) => reads.add(read));
    decide({ set: view, settings: TEST_SETTINGS, pod: findTestPod(SET, key) });
    return [...reads].some((read) => change.keys.has(read));
  });
}

describe.each([
  { name: "a sidecar", decide: decideInbound },
  { name: "a gateway", decide: decideGateway },
])("the decision of $name", ({ decide }) => {
  it("is made again for a policy of its namespace, and for no other namespace's", () => {
    expect(affectedBy("foo", decide)).toEqual(["foo/web", "foo/db"]);
    expect(affectedBy("bar", decide)).toEqual(["bar/web"]);
    expect(affectedBy("elsewhere", decide)).toEqual([]);
  });

  it("is made again for a policy of the root namespace", () => {
    expect(affectedBy("istio-system", decide)).toEqual(PODS);
  });

  it("contains the policy", () => {
    const { set } = apply(SET, testResource("AuthorizationPolicy", "p", { rules: [{}] }, { namespace: "foo" }));
    const of = (key: string) => decide({ set, settings: TEST_SETTINGS, pod: findTestPod(set, key) }).authorization;
    expect(of("foo/db").policies.map(({ name }) => name)).toEqual(["p"]);
    expect(of("bar/web").policies).toEqual([]);
  });
});

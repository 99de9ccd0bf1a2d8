import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../kubernetes-api.ts";
import { parseFieldSelector, parseLabelSelector } from "./selectors.ts";

const POD: KubernetesObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "ns1", labels: { app: "web", env: "prod", empty: "" } },
  spec: { nodeName: "node1" },
};

describe("a label selector", () => {
  it.each([
    { selector: undefined, is: true },
    { selector: "app=web", is: true },
    { selector: "app==web,env=prod", is: true },
    { selector: "app=web,env=test", is: false },
    { selector: "app!=web", is: false },
    { selector: "tier!=db", is: true },
    { selector: "env in (test,prod)", is: true },
    { selector: "env in (test), app=web", is: false },
    { selector: "env notin (test,dev)", is: true },
    { selector: "tier notin (db)", is: true },
    { selector: "app", is: true },
    { selector: "tier", is: false },
    { selector: "!tier", is: true },
    { selector: "!app", is: false },
    { selector: "empty=", is: true },
  ])("$selector: $is", ({ selector, is }) => {
    expect(parseLabelSelector(selector)(POD)).toBe(is);
  });

  it("that cannot be read is refused", () => {
    expect(() => parseLabelSelector("app in")).toThrow(/unable to parse requirement/);
  });
});

describe("a field selector", () => {
  it.each([
    { selector: "metadata.name=web", is: true },
    { selector: "metadata.name=web,spec.nodeName==node2", is: false },
    { selector: "spec.nodeName!=node2", is: true },
    { selector: "status.phase=", is: true },
  ])("$selector: $is", ({ selector, is }) => {
    expect(parseFieldSelector(selector)(POD)).toBe(is);
  });
});

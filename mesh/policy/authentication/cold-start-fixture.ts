/** For tests of invalid policies: three workloads, and what is known after a cold start. */
import { type ParsedResources, parseResources } from "../../resources/parsing/parse-resources.ts";
import { createResourceSet, type ResourceSet } from "../../resources/resource-set.ts";
import { findTestPod, TEST_SETTINGS, testPod, testService } from "../../resources/resource-set-fixture.ts";
import { decideServerMode } from "./server-mode.ts";

const WORKLOADS = [
  testPod({ name: "web", ip: "10.0.0.1" }),
  testPod({ name: "db", ip: "10.0.0.2" }),
  testPod({ name: "web", namespace: "ns2", ip: "10.0.0.3" }),
  testService({ name: "web" }),
].join("\n---\n");

/** The state after a cold start: nothing is known but these documents. */
export function coldStart(...texts: readonly string[]): ResourceSet {
  return coldStartWith(parseResources({ text: texts.join("\n---\n"), file: "a.yaml" }));
}

export function coldStartWith({ resources, standIns }: ParsedResources): ResourceSet {
  const workloads = parseResources({ text: WORKLOADS, file: "pods.yaml" }).resources;
  return createResourceSet([...workloads, ...resources, ...standIns]);
}

/** The mode of each workload. */
export function modes(set: ResourceSet, port?: number): Readonly<Record<string, string>> {
  const pods = ["ns1/web", "ns1/db", "ns2/web"].map((key) => {
    const { mode } = decideServerMode({ set, settings: TEST_SETTINGS, pod: findTestPod(set, key), port });
    return [key, mode];
  });
  return Object.fromEntries(pods);
}

import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { KINDS } from "../kinds.ts";
import type { ApiKind, KubernetesObject } from "../kubernetes-api.ts";
import { ReflectorHarness, refuse } from "./reflector-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const harnessWith = (...names: readonly string[]) => ReflectorHarness.with(cleanup, names);

describe("a kind whose CRD", () => {
  const RULES: ApiKind = {
    group: "networking.istio.io",
    version: "v1",
    plural: "destinationrules",
    kind: "DestinationRule",
    isNamespaced: true,
  };
  const DEFINITION: KubernetesObject = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "destinationrules.networking.istio.io" },
    spec: {
      group: "networking.istio.io",
      scope: "Namespaced",
      names: { plural: "destinationrules", kind: "DestinationRule" },
      versions: [{ name: "v1", served: true, storage: true }],
    },
  };
  const RULE = {
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: { name: "r", namespace: "default" },
  };

  it("is absent counts as synced, and is waited for", async () => {
    const harness = new ReflectorHarness(cleanup);
    const reflector = await harness.start(RULES);
    expect([reflector.hasSynced, reflector.status().kind]).toEqual([true, "absent"]);
    harness.cluster.create(KINDS.customResourceDefinitions, DEFINITION);
    harness.cluster.create(RULES, RULE);
    await harness.clock.advance(15_000);
    expect(await harness.takeChanges()).toEqual(["+default/r"]);
    expect(reflector.status().kind).toBe("current");
  });

  it("is withdrawn takes its objects along, although no watch has said so", async () => {
    const harness = new ReflectorHarness(cleanup);
    harness.cluster.create(KINDS.customResourceDefinitions, DEFINITION);
    harness.cluster.create(RULES, RULE);
    const reflector = await harness.start(RULES);
    await harness.takeChanges();
    const open = harness.watch();
    open.mute();
    harness.cluster.delete(KINDS.customResourceDefinitions, { name: DEFINITION.metadata.name });
    open.cut();
    await harness.clock.advance(20_000);
    expect([reflector.objects.size, reflector.status().kind]).toEqual([1, "stale"]);
    await harness.clock.advance(30_000);
    expect(await harness.takeChanges()).toEqual(["-default/r"]);
    expect(reflector.status().kind).toBe("absent");
  });

  it("seems absent to a server that is still starting empties nothing", async () => {
    const harness = harnessWith("a");
    const reflector = await harness.start();
    await harness.takeChanges();
    harness.beforeCall = ({ verb }) => {
      if (verb !== "discover") refuse(404, "NotFound")();
    };
    harness.watch().cut();
    await harness.clock.advance(600_000);
    expect([reflector.objects.size, reflector.status().kind]).toEqual([1, "stale"]);
    expect(await harness.takeChanges()).toEqual([]);
  });
});

/** What every source of configuration does: the folders, and the Kubernetes API, simulated or real. For tests only. */
import { afterEach, describe, expect, it } from "vitest";
import type { ResourceSet, SetChange } from "../mesh/resources/resource-set.ts";
import type { ConfigSource } from "./config-source.ts";
import {
  authorization,
  CONTRACT_NAMESPACE,
  contractNamespace,
  INVALID,
  type Manifest,
  policy,
  rule,
  service,
  slice,
  tokens,
} from "./contract-manifests-fixture.ts";

/** A source whose content a test changes. */
export interface SourceHarness {
  readonly source: ConfigSource;
  /** Adds or replaces objects; resolves when they are written, not when the source has them. */
  apply(...objects: readonly Manifest[]): Promise<void>;
  remove(object: Manifest): Promise<void>;
  /** Stops the source and removes what the test left. */
  dispose(): Promise<void>;
}

export interface ContractOptions {
  readonly name: string;
  /** Starts a source whose content is the given objects. */
  readonly create: (initial: readonly Manifest[]) => Promise<SourceHarness>;
  /** How many Services the source gets at once. @default 1,000 */
  readonly manyObjects?: number;
}

const inNamespace = (name: string): string => `${CONTRACT_NAMESPACE}/${name}`;

function modeIn(set: ResourceSet): string | undefined {
  return set.peerAuthentications.get(inNamespace("default"))?.spec.mtls.mode;
}

function deniesAll({ index }: ResourceSet): boolean {
  const policies = index.authorizationPoliciesByNamespace.get(CONTRACT_NAMESPACE) ?? [];
  return policies.some(({ spec, standsInFor }) => standsInFor !== undefined && spec.action === "DENY");
}

/** Resolves with the first set, current or later, that meets the condition. */
function until(source: ConfigSource, condition: (set: ResourceSet) => boolean): Promise<ResourceSet> {
  return new Promise((resolve) => {
    const unsubscribe = source.subscribe((set) => check(set));
    const check = (set: ResourceSet): void => {
      if (!condition(set)) return;
      unsubscribe();
      resolve(set);
    };
    check(source.current());
  });
}

/** Resolves once the source's problems meet the condition; they change without a new set. */
async function untilProblems(source: ConfigSource, condition: (text: string) => boolean): Promise<void> {
  while (
    !condition(
      source
        .problems()
        .map(({ message, resource }) => `${resource}: ${message}`)
        .join("\n"),
    )
  ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function runConfigSourceContract({ name, create, manyObjects = 1000 }: ContractOptions): void {
  describe(`${name}, as a source of configuration`, () => {
    let harness: SourceHarness | undefined;
    const start = async (...initial: readonly Manifest[]): Promise<SourceHarness> => {
      harness = await create([contractNamespace, ...initial]);
      return harness;
    };

    afterEach(async () => {
      await harness?.dispose();
      harness = undefined;
    });

    it("has from the start what was there before", async () => {
      const { source } = await start(policy("STRICT"), service("a"), slice("a", ["10.9.0.1"]));
      expect(source.current().namespaces.has(CONTRACT_NAMESPACE)).toBe(true);
      expect(modeIn(source.current())).toBe("STRICT");
      expect(source.current().services.has(inNamespace("a"))).toBe(true);
      expect(source.current().index.slicesByService.get(inNamespace("a"))).toHaveLength(1);
      expect(source.status()).toEqual({ kind: "current" });
    });

    it("follows each object that is added, changed or deleted", async () => {
      const { source, apply, remove } = await start();
      await apply(policy("STRICT"));
      await until(source, (set) => modeIn(set) === "STRICT");
      await apply(policy("PERMISSIVE"));
      await until(source, (set) => modeIn(set) === "PERMISSIVE");
      await remove(policy("PERMISSIVE"));
      await until(source, (set) => modeIn(set) === undefined);
      await apply(service("a"), slice("a", ["10.9.0.1", "10.9.0.2"]));
      await until(source, ({ index }) => index.serviceKeysByIp.has("10.9.0.2"));
      await apply(slice("a", ["10.9.0.1"]));
      await until(source, ({ index }) => !index.serviceKeysByIp.has("10.9.0.2"));
      await remove(slice("a", []));
      await until(source, ({ index }) => !index.slicesByService.has(inNamespace("a")));
    });

    it("publishes with each set what differs in it, and is then in that state", async () => {
      const { source, apply, remove } = await start(service("stays"));
      let before = source.current();
      const changes: SetChange[] = [];
      source.subscribe((set, change) => {
        expect(source.current()).toBe(set);
        for (const { key, kind, before: old, after } of change.resources) {
          if (kind !== "Service") continue;
          expect(before.services.get(key)).toBe(old);
          expect(set.services.get(key)).toBe(after);
        }
        before = set;
        changes.push(change);
      });
      await apply(service("a"));
      await until(source, ({ services }) => services.has(inNamespace("a")));
      await remove(service("a"));
      await until(source, ({ services }) => !services.has(inNamespace("a")));
      const touched = changes.flatMap(({ resources }) => resources.filter(({ kind }) => kind === "Service"));
      expect(touched.map(({ key, after }) => [key, after?.metadata.name])).toEqual([
        [inNamespace("a"), "a"],
        [inNamespace("a"), undefined],
      ]);
      expect(changes.some(({ keys }) => keys.has(`services/${inNamespace("a")}`))).toBe(true);
    });

    it("keeps the last valid version of an object that becomes invalid, and says why, until it is valid again", async () => {
      const { source, apply } = await start(policy("STRICT"));
      await apply(INVALID);
      await untilProblems(source, (text) => text.includes("portLevelMtls needs a selector"));
      expect(modeIn(source.current())).toBe("STRICT");
      expect(source.current().peerAuthentications.get(inNamespace("default"))?.standsInFor).toBeUndefined();
      await apply(policy("PERMISSIVE"));
      await until(source, (set) => modeIn(set) === "PERMISSIVE");
      await untilProblems(source, (text) => !text.includes("portLevelMtls"));
    });

    it("lets a policy that it never saw valid be STRICT, until it is repaired or deleted", async () => {
      const { source, apply, remove } = await start(INVALID);
      expect(modeIn(source.current())).toBe("STRICT");
      await apply(policy("DISABLE"));
      await until(source, (set) => modeIn(set) === "DISABLE");
      await remove(policy("DISABLE"));
      await until(source, (set) => modeIn(set) === undefined);
      await apply(INVALID);
      await until(source, (set) => modeIn(set) === "STRICT");
      await remove(INVALID);
      await until(source, (set) => modeIn(set) === undefined);
      await untilProblems(source, (text) => !text.includes("portLevelMtls"));
    });

    it("denies in place of an authorization that it never saw valid, until it is repaired or deleted", async () => {
      const { source, apply, remove } = await start(authorization({ action: "DENY" }));
      expect(deniesAll(source.current())).toBe(true);
      await apply(authorization({}));
      await until(source, (set) => !deniesAll(set) && set.authorizationPolicies.size === 1);
      await remove(authorization({}));
      await until(source, ({ authorizationPolicies }) => authorizationPolicies.size === 0);
      // Where tokens are is misspelled.
      await apply(tokens({ issuer: "i", fromHeader: [] }));
      await until(source, deniesAll);
      await apply(tokens({ issuer: "i", fromHeaders: [] }));
      await until(source, (set) => !deniesAll(set));
      expect(source.current().requestAuthentications.get(inNamespace("default"))?.spec.jwtRules[0]?.issuer).toBe("i");
    });

    it("uses an object with an unsupported field, and warns of it", async () => {
      const extended = rule("a.entente-contract.svc.cluster.local");
      const { source } = await start({
        ...extended,
        spec: { host: "a", trafficPolicy: { connectionPool: { tcp: { maxConnections: 1 } } } },
      });
      expect(source.current().destinationRules.get(inNamespace("rule"))?.spec.host).toBe("a");
      await untilProblems(source, (text) => /DestinationRule\/rule.*is not supported/.test(text));
    });

    it("never lacks one object while another changes", async () => {
      const { source, apply, remove } = await start(policy("STRICT"), service("stays"));
      const seen: boolean[] = [];
      source.subscribe((set) => seen.push(modeIn(set) === "STRICT" && set.services.has(inNamespace("stays"))));
      for (const turn of [1, 2, 3]) {
        await apply(service("comes", turn));
        await until(source, ({ services }) => services.get(inNamespace("comes"))?.spec.ports[0]?.port === turn);
      }
      await remove(service("comes"));
      await until(source, ({ services }) => !services.has(inNamespace("comes")));
      expect(seen.length).toBeGreaterThan(0);
      expect(seen).not.toContain(false);
    });

    it("shows the states of an object in their order, the last one last", async () => {
      const { source, apply } = await start(service("a", 1));
      const ports: number[] = [];
      source.subscribe(({ services }) => ports.push(services.get(inNamespace("a"))?.spec.ports[0]?.port ?? 0));
      for (let port = 2; port <= 30; port += 1) await apply(service("a", port));
      await until(source, ({ services }) => services.get(inNamespace("a"))?.spec.ports[0]?.port === 30);
      expect(ports).toEqual(ports.toSorted((left, right) => left - right));
    });

    it(`takes ${manyObjects} objects at once, and loses none`, async () => {
      const names = Array.from({ length: manyObjects }, (_, index) => `many-${index}`);
      const { source, apply } = await start();
      await apply(...names.map((each) => service(each)));
      const set = await until(source, ({ services }) => services.has(inNamespace(`many-${manyObjects - 1}`)));
      await until(source, ({ services }) => names.every((each) => services.has(inNamespace(each))));
      expect(set.namespaces.has(CONTRACT_NAMESPACE)).toBe(true);
    });

    it("tells a listener nothing after it unsubscribes", async () => {
      const { source, apply } = await start();
      let calls = 0;
      const unsubscribe = source.subscribe(() => {
        calls += 1;
      });
      await apply(service("a"));
      await until(source, ({ services }) => services.has(inNamespace("a")));
      unsubscribe();
      const before = calls;
      await apply(service("b"));
      await until(source, ({ services }) => services.has(inNamespace("b")));
      expect(calls).toBe(before);
    });
  });
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { KINDS } from "../kinds.ts";
import type { KubernetesObject } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import type { Backup } from "../test-server/storage/object-history.ts";
import { podNamed, ReflectorHarness } from "./reflector-fixture.ts";

const { pods } = KINDS;
const NAMES = ["a", "b", "c", "d"];

/** Something that happens to the cluster, the connection or the server. */
type Step =
  | { readonly kind: "put"; readonly name: string; readonly label: string }
  | { readonly kind: "delete"; readonly name: string }
  | { readonly kind: "disturb"; readonly how: "end" | "cut" | "mute" | "bookmark" | "expire" }
  | { readonly kind: "server"; readonly how: "compact" | "expire-tokens" | "backup" | "restore" }
  | { readonly kind: "refuse"; readonly status: 0 | 410 | 429 | 500; readonly calls: number }
  | { readonly kind: "wait"; readonly ms: number };

const name = fc.constantFrom(...NAMES);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("put" as const), name, label: fc.constantFrom("x", "y") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), name }) },
  fc.record({
    kind: fc.constant("disturb" as const),
    how: fc.constantFrom("end" as const, "cut" as const, "mute" as const, "bookmark" as const, "expire" as const),
  }),
  fc.record({
    kind: fc.constant("server" as const),
    how: fc.constantFrom("compact" as const, "expire-tokens" as const, "backup" as const, "restore" as const),
  }),
  fc.record({
    kind: fc.constant("refuse" as const),
    status: fc.constantFrom(0 as const, 410 as const, 429 as const, 500 as const),
    calls: fc.integer({ min: 1, max: 5 }),
  }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 200_000 }) }) },
);

class Scenario {
  readonly harness: ReflectorHarness;
  /** What the batches say: the state of a consumer that applies them. */
  readonly consumer = new Map<string, KubernetesObject>();
  readonly #backups: Backup[] = [];
  #refusals = { calls: 0, status: 0 };

  constructor(cleanup: Cleanup) {
    this.harness = new ReflectorHarness(cleanup);
    this.harness.beforeCall = () => this.#maybeRefuse();
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const one of steps) await this.#carryOut(one);
    this.#refusals = { calls: 0, status: 0 };
    // Longer than the slowest retry, a silent watch, the second one and the list after it.
    await this.harness.clock.advance(700_000);
  }

  async #carryOut(one: Step): Promise<void> {
    const { cluster, clock, api } = this.harness;
    switch (one.kind) {
      case "put":
        return this.#put(one.name, one.label);
      case "delete":
        if (this.#exists(one.name)) cluster.delete(pods, { namespace: "default", name: one.name });
        return;
      case "disturb":
        for (const open of api.watches) {
          if (one.how === "expire") open.fail({ kind: "Status", code: 410, reason: "Expired" });
          else open[one.how]();
        }
        return;
      case "server":
        return this.#changeServer(one.how);
      case "refuse":
        this.#refusals = { calls: one.calls, status: one.status };
        return;
      case "wait":
        await clock.advance(one.ms);
    }
  }

  #put(podName: string, label: string): void {
    const { cluster } = this.harness;
    const pod = podNamed(podName, { label });
    if (this.#exists(podName)) cluster.replace(pods, pod);
    else cluster.create(pods, pod);
  }

  #exists(podName: string): boolean {
    return this.harness.cluster.list(pods, { fieldSelector: `metadata.name=${podName}` }).items.length > 0;
  }

  #changeServer(how: "compact" | "expire-tokens" | "backup" | "restore"): void {
    const { cluster, api } = this.harness;
    if (how === "compact") cluster.history.compact();
    if (how === "expire-tokens") cluster.expireContinueTokens();
    if (how === "backup") this.#backups.push(cluster.history.backup());
    const backup = how === "restore" ? this.#backups.pop() : undefined;
    if (backup === undefined) return;
    // A restore needs the servers stopped: connections end, and the next attempt fails.
    for (const open of api.watches) open.cut();
    this.#refusals = { calls: 2, status: 0 };
    cluster.history.restore(backup);
  }

  #maybeRefuse(): void {
    if (this.#refusals.calls === 0) return;
    this.#refusals = { ...this.#refusals, calls: this.#refusals.calls - 1 };
    const { status } = this.#refusals;
    if (status === 0) throw new KubernetesApiError("api_unreachable", "away");
    throw new KubernetesApiError("api_refused", "refused", { status });
  }
}

describe("a reflector", () => {
  it("ends with the server's state, whatever happened in between, and so does its consumer", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const cleanup = new Cleanup();
        const scenario = new Scenario(cleanup);
        const { harness, consumer } = scenario;
        const reflector = await harness.start(pods, {
          onChanges: (changes) => {
            for (const { kind, key, object } of changes) {
              if (kind === "upsert") consumer.set(key, object);
              // A deletion names what was delivered before.
              else if (!consumer.delete(key)) throw new TypeError(`${key} was deleted twice`);
            }
          },
        });
        try {
          await scenario.run(steps);
          const stored = harness.cluster.list(pods, {}).items.map(labelOf);
          expect([...reflector.objects.values()].map(labelOf).sort()).toEqual(stored.sort());
          expect([...consumer.values()].map(labelOf).sort()).toEqual(stored.sort());
          expect(harness.log.find("could not be processed")).toEqual([]);
        } finally {
          await cleanup.run();
        }
      }),
      { numRuns: 300 },
    );
  });
});

function labelOf({ metadata }: KubernetesObject): string {
  return `${metadata.name} ${metadata.labels?.["label"]} ${metadata.uid}`;
}

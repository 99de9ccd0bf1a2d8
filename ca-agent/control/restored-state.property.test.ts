import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { type ControlState, EMPTY_CONTROL_STATE } from "./control-state.ts";
import { adding, serialNumbersOf } from "./control-store-contract-fixture.ts";
import { LiveControl, restoreChange } from "./live-control.ts";
import { withNextRevision } from "./state-revisions.ts";

const REPLICAS = 3;
const SERIAL_NUMBERS = ["A", "B", "C", "D"] as const;

type Command =
  | { readonly kind: "revoke" | "lift"; readonly serialNumber: string }
  | { readonly kind: "back up" | "restore" | "delete" }
  /** A replica sees what is stored: until then it was cut off. */
  | { readonly kind: "look"; readonly replica: number }
  | { readonly kind: "set the clock"; readonly hours: number };

const serialNumber = fc.constantFrom(...SERIAL_NUMBERS);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("revoke" as const), serialNumber }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("lift" as const), serialNumber }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("back up" as const, "restore" as const, "delete" as const) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("look" as const), replica: fc.nat({ max: REPLICAS - 1 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("set the clock" as const), hours: fc.integer({ min: -3, max: 3 }) }),
  },
);

class World {
  stored = EMPTY_CONTROL_STATE;
  /** When each replica had each revocation in force last, and when each was lifted last: numbers of commands. */
  readonly heldSince: Map<string, number>[] = [];
  readonly liftedAt = new Map<string, number>();
  writes = 0;
  readonly #log = new RecordingLogger();
  readonly #replicas: LiveControl[] = [];
  #backup = EMPTY_CONTROL_STATE;
  #step = 0;
  #hours = 0;
  /** No two changes get the same revision by chance: times end differently than sums of steps. */
  readonly #clock = { now: () => 64 * (1_000_000 + this.#hours * 3600 + this.#step) + 50 };
  readonly #random = () => (64 * 2 ** this.writes) / 1000;

  constructor() {
    for (let index = 0; index < REPLICAS; index += 1) {
      const renumber = async (): Promise<void> => undefined;
      const request = (): void =>
        this.#update(restoreChange(replica.current(), { clock: this.#clock, trustDomains: [] }));
      const writeBack = { request, timesStored: 0 };
      const replica = new LiveControl({
        trustDomains: [],
        ...{ clock: this.#clock, log: this.#log, onWaiting: () => undefined, renumber, writeBack },
      });
      this.#replicas.push(replica);
      this.heldSince.push(new Map());
    }
  }

  async run(one: Command): Promise<void> {
    this.#step += 1;
    switch (one.kind) {
      case "revoke":
        this.#update((state) =>
          serialNumbersOf(state).includes(one.serialNumber) ? state : adding(one.serialNumber)(state),
        );
        return;
      case "lift":
        this.#lift(one.serialNumber);
        return;
      case "back up":
        this.#backup = this.stored;
        return;
      case "restore":
        this.stored = this.#backup;
        return;
      case "delete":
        this.stored = EMPTY_CONTROL_STATE;
        return;
      case "look":
        await this.look(one.replica);
        return;
      case "set the clock":
        this.#hours = one.hours;
        return;
    }
  }

  /** Whether the replica has in force what is stored. */
  async look(index: number): Promise<boolean> {
    const replica = this.#replicas[index];
    const held = this.heldSince[index];
    if (replica === undefined || held === undefined) throw new TypeError(`there is no replica ${index}`);
    const { stored } = this;
    const isAbsent = stored === EMPTY_CONTROL_STATE;
    if (!replica.take(isAbsent ? { kind: "absent" } : { kind: "state", state: stored })) return false;
    const present = serialNumbersOf(replica.current());
    for (const one of SERIAL_NUMBERS) {
      if (!present.includes(one)) held.delete(one);
      else if (!held.has(one)) held.set(one, this.#step);
    }
    return true;
  }

  inForce(): readonly ControlState[] {
    return this.#replicas.map((replica) => replica.current());
  }

  #lift(one: string): void {
    if (!serialNumbersOf(this.stored).includes(one)) return;
    this.liftedAt.set(one, this.#step);
    this.#update((state) => ({
      ...state,
      revocations: state.revocations.filter(({ what }) => what.kind !== "serial" || what.serialNumber !== one),
    }));
  }

  #update(change: (state: ControlState) => ControlState): void {
    const after = change(this.stored);
    if (after === this.stored) return;
    this.writes += 1;
    this.stored = withNextRevision(this.stored, after, { clock: this.#clock, random: this.#random });
  }
}

describe("any order of changes, backups, restores and deletions, seen by replicas that are cut off at times", () => {
  it("ends with one state, in which nothing is lost that a replica had in force and that was not lifted since", async () => {
    const orders = fc.array(command, { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(orders, async (commands) => {
        const world = new World();
        const lost: string[] = [];
        for (const one of commands) {
          const before = world.heldSince.map((held) => new Map(held));
          await world.run(one);
          before.forEach((held, index) => {
            for (const [name, since] of held) {
              if (world.heldSince[index]?.has(name) === false && (world.liftedAt.get(name) ?? -1) < since)
                lost.push(name);
            }
          });
        }
        expect(lost).toEqual([]);
        const held = world.heldSince.flatMap((one) => [...one]);
        const written = world.writes;
        // Each of them stores at most once, and what it has stored is in force everywhere.
        for (let round = 0; round < REPLICAS + 1; round += 1) {
          for (let index = 0; index < REPLICAS; index += 1) await world.look(index);
        }
        expect(world.writes - written).toBeLessThanOrEqual(REPLICAS);
        for (const state of world.inForce()) expect(state).toEqual(world.stored);
        const present = serialNumbersOf(world.stored);
        const missing = held.filter(
          ([name, since]) => !present.includes(name) && (world.liftedAt.get(name) ?? -1) < since,
        );
        expect(missing).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});

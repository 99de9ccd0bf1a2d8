/** For tests: what every store of the authority must do. */
import { beforeEach, describe, expect, it } from "vitest";
import type { RootPair } from "../../authority/self-signed-root.ts";
import { INPUT, mintOwnRoot, NEW, PUBLISHED, SIGNING, STEADY } from "../rotation-fixture.ts";
import { publishNext, retireRoot } from "../rotation-steps.ts";
import type { AuthorityStore, StoredRoot } from "./authority-store.ts";

export interface StoreUnderTest {
  /** Opens one store that already has `STEADY`, as often as it is called. */
  readonly open: () => AuthorityStore;
  /** Another root, never rotated, takes the place of everything, as from another backup. */
  readonly replaceAll: (root: RootPair) => void | Promise<void>;
  readonly removeAll: () => void | Promise<void>;
  readonly plugIn: () => void | Promise<void>;
  /** Adds fields to the record of the stored state, as a later version may have written it. */
  readonly editRecord: (fields: object) => void | Promise<void>;
}

export async function readRoot(store: AuthorityStore): Promise<StoredRoot> {
  const stored = await store.read();
  if (stored.kind !== "root") throw new TypeError(`the store is ${stored.kind}`);
  return stored;
}

export function runAuthorityStoreContract(name: string, create: () => StoreUnderTest | Promise<StoreUnderTest>): void {
  describe(`the authority's store, ${name}`, () => {
    let test: StoreUnderTest;
    beforeEach(async () => {
      test = await create();
    });

    it("goes through a whole rotation, and each state is read as it was stored", async () => {
      const store = test.open();
      for (const state of [PUBLISHED, SIGNING, retireRoot(SIGNING, INPUT)]) {
        expect(await store.swap(await readRoot(store), state)).toBe("stored");
        expect((await readRoot(test.open())).state).toEqual(state);
      }
    });

    it("stores one of two states that follow the same one", async () => {
      const [one, two] = [test.open(), test.open()];
      const other = publishNext(STEADY, { next: mintOwnRoot(), cause: "request" }, INPUT);
      const [first, second] = [await readRoot(one), await readRoot(two)];
      const outcomes = await Promise.all([one.swap(first, PUBLISHED), two.swap(second, other)]);
      expect([...outcomes].sort()).toEqual(["conflict", "stored"]);
      const expected = outcomes[0] === "stored" ? PUBLISHED : other;
      expect((await readRoot(one)).state).toEqual(expected);
    });

    it("stores nothing over a state that has followed meanwhile", async () => {
      const store = test.open();
      const steady = await readRoot(store);
      await store.swap(steady, PUBLISHED);
      const late = publishNext(STEADY, { next: mintOwnRoot(), cause: "age" }, INPUT);
      expect(await store.swap(steady, late)).toBe("conflict");
      await store.swap(await readRoot(store), SIGNING);
      expect(await store.swap(steady, late)).toBe("conflict");
      expect((await readRoot(store)).state).toEqual(SIGNING);
    });

    it("stores nothing if the authority was removed meanwhile", async () => {
      const store = test.open();
      const steady = await readRoot(store);
      await test.removeAll();
      expect(await store.swap(steady, PUBLISHED)).toBe("conflict");
      expect(await store.read()).toEqual({ kind: "absent" });
    });

    it("stores nothing over another authority of the same revision", async () => {
      const store = test.open();
      const steady = await readRoot(store);
      const other = mintOwnRoot();
      await test.replaceAll(other);
      expect(await store.swap(steady, PUBLISHED)).toBe("conflict");
      expect((await readRoot(store)).state).toEqual({ ...STEADY, current: other });
    });

    it("leaves an operator's authority alone", async () => {
      const store = test.open();
      const steady = await readRoot(store);
      await test.plugIn();
      expect((await store.read()).kind).toBe("plugged_in");
      expect(await store.swap(steady, PUBLISHED)).toBe("conflict");
      expect((await store.read()).kind).toBe("plugged_in");
    });

    it("never overwrites what a later version has stored, and reads it", async () => {
      const store = test.open();
      await store.swap(await readRoot(store), PUBLISHED);
      await test.editRecord({ version: 2, minReaderVersion: 1, policy: "strict" });
      const later = await readRoot(store);
      expect(later).toMatchObject({ state: PUBLISHED, laterVersion: 2 });
      await expect(store.swap(later, SIGNING)).rejects.toThrow(/authority_version: .* has version 2.*Upgrade it/);
      expect(await readRoot(store)).toEqual(later);
      await test.editRecord({ version: 3, minReaderVersion: 2 });
      await expect(store.read()).rejects.toThrow("written by a later version");
      await expect(store.swap(later, SIGNING)).rejects.toThrow("written by a later version");
    });

    it("shows the version of each content", async () => {
      const store = test.open();
      const before = await readRoot(store);
      expect((await readRoot(test.open())).version).toBe(before.version);
      await store.swap(before, PUBLISHED);
      const after = await readRoot(store);
      expect(after.version).not.toBe(before.version);
      expect(after.state.kind === "published" && after.state.next).toEqual(NEW);
    });
  });
}

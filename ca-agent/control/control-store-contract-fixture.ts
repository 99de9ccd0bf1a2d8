/** For tests: what every store of the desired state does. */
import { expect, it } from "vitest";
import { type ControlState, EMPTY_CONTROL_STATE, type Revocation } from "./control-state.ts";
import type { ControlStore } from "./control-store.ts";

export function revocationOf(serialNumber: string): Revocation {
  return { what: { kind: "serial", serialNumber }, revokedAt: "2026-11-26T18:44:32Z" };
}

export function adding(...serialNumbers: readonly string[]): (state: ControlState) => ControlState {
  return (state) => ({ ...state, revocations: [...state.revocations, ...serialNumbers.map(revocationOf)] });
}

export function serialNumbersOf({ revocations }: ControlState): readonly string[] {
  return revocations.flatMap(({ what }) => (what.kind === "serial" ? [what.serialNumber] : []));
}

/** @param open another store of the same state, as of another process */
export function runControlStoreContract(open: () => ControlStore): void {
  it("is empty before the first change", async () => {
    expect(await open().read()).toEqual(EMPTY_CONTROL_STATE);
  });

  it("keeps what was written, for everyone", async () => {
    const rotation = { requestId: "r-1", requestedAt: "2026-11-26T18:44:32Z" };
    await open().update((state) => ({ ...adding("A1")(state), rotation }));
    expect(await open().read()).toMatchObject({ revocations: [revocationOf("A1")], rotation });
  });

  it("can be changed back to nothing", async () => {
    await open().update(adding("A1"));
    await open().update(() => ({ revocations: [], rotation: undefined }));
    expect(await open().read()).toMatchObject({ revocations: [], rotation: undefined });
  });

  it("loses no change of several writers at once", async () => {
    const wanted = ["A", "B", "C", "D", "E", "F"];
    await Promise.all(wanted.map((serialNumber) => open().update(adding(serialNumber))));
    expect(serialNumbersOf(await open().read()).toSorted()).toEqual(wanted);
  });

  it("gives each change a later revision, and keeps those before", async () => {
    const before = Date.now();
    const first = await open().update(adding("A1"));
    const second = await open().update(adding("A2"));
    expect(second.revisions).toEqual([expect.any(Number), ...(first.revisions ?? [])]);
    expect(second).toEqual(await open().read());
    const [later = 0, earlier = 0, never] = second.revisions ?? [];
    expect([earlier >= before, later > earlier, never]).toEqual([true, true, 0]);
  });

  it("stores nothing if nothing changes", async () => {
    const before = await open().update(adding("A1"));
    expect(await open().update((state) => state)).toEqual(before);
  });

  it("rejects with the change's own error, and keeps what was there", async () => {
    await open().update(adding("A1"));
    const failing = open().update(() => {
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(serialNumbersOf(await open().read())).toEqual(["A1"]);
  });

  it("refuses more than can be kept, and keeps what was there", async () => {
    await open().update(adding("A1"));
    const many = Array.from({ length: 10_000 }, (_, index) => `F${index}`);
    await expect(open().update(adding(...many))).rejects.toThrow("control_limit: 10001 revocations");
    expect(serialNumbersOf(await open().read())).toEqual(["A1"]);
  });
}

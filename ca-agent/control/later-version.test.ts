import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CONTROL_HOMES, ControlHomes } from "./control-homes-fixture.ts";
import { adding, serialNumbersOf } from "./control-store-contract-fixture.ts";

let homes: ControlHomes;
beforeEach(() => {
  homes = new ControlHomes();
});
afterEach(() => homes.end());

const A1 = '[{"serial":"A1","revokedAt":"2026-11-26T18:44:32Z"}]';
/** As a later version may write it, with fields of its own. */
const LATER = '[{"serial":"A2","revokedAt":"2026-11-26T18:44:32Z","severity":"high"}]';
const COMPATIBLE = { version: 3, minReaderVersion: 1, quarantine: ["a"] };
const INCOMPATIBLE = { version: 4, minReaderVersion: 3 };

describe.each(CONTROL_HOMES)("what a later version asks in $name", ({ open }) => {
  it("is followed without the fields that are not known, if it allows that", async () => {
    const home = open(homes);
    home.write(LATER, COMPATIBLE);
    const control = await homes.started(home);
    expect(serialNumbersOf(control.current())).toEqual(["A2"]);
    expect(control.fault()).toBeUndefined();
  });

  it("is never overwritten, and a change says why and what to do", async () => {
    const home = open(homes);
    home.write(LATER, COMPATIBLE);
    const before = home.content();
    await expect(home.store.update(adding("A3"))).rejects.toThrow(/control_version: .* has version 3, .* Upgrade it/);
    // Also by a change that makes the state anew.
    await expect(home.store.update(() => ({ revocations: [], rotation: undefined }))).rejects.toThrow(
      "control_version",
    );
    expect(home.content()).toBe(before);
    expect(serialNumbersOf(await home.store.update((state) => state))).toEqual(["A2"]);
  });

  it("leaves the earlier state in force if it is for later readers, with the reason", async () => {
    const home = open(homes);
    home.write(A1);
    const control = await homes.started(home);
    home.write(LATER, INCOMPATIBLE);
    await homes.pass(2000);
    expect(serialNumbersOf(control.current())).toEqual(["A1"]);
    expect(control.fault()).toMatch(/was written by a later version: it has version 4, for readers from 3 on.*upgrade/);
    await expect(home.store.update(adding("A3"))).rejects.toThrow("written by a later version");
  });

  it("keeps a control plane from starting if it is for later readers, until that is rolled back", async () => {
    const home = open(homes);
    home.write(LATER, INCOMPATIBLE);
    const starting = home.follow();
    await homes.pass(2000);
    expect(homes.waiting.at(-1)).toContain("written by a later version");
    home.write(A1);
    await homes.pass(2000);
    expect(serialNumbersOf((await starting).current())).toEqual(["A1"]);
  });

  it("is not stored again by an earlier one after it was deleted, and stays in force", async () => {
    const home = open(homes);
    home.write(LATER, COMPATIBLE);
    const control = await homes.started(home);
    home.remove();
    await homes.pass(5000);
    expect(serialNumbersOf(control.current())).toEqual(["A2"]);
    expect(control.fault()).toContain("control_version");
    expect(serialNumbersOf(await home.store.read())).toEqual([]);
  });

  it.each([
    { name: "a field that is not known, without a version", others: { quarantine: [] }, reason: '"quarantine"' },
    { name: "the same with its own version", others: { version: 2, quarantine: [] }, reason: '"quarantine"' },
    { name: "a version that is none", others: { version: 0 }, reason: "version must be a whole number" },
    { name: "a version in words", others: { version: "two" }, reason: "version must be a whole number" },
    {
      name: "versions that contradict each other",
      others: { version: 3, minReaderVersion: 4 },
      reason: "minReaderVersion above",
    },
    { name: "a later version that allows nobody", others: { version: 3 }, reason: "for readers from 3 on" },
  ])("is an error with $name", async ({ others, reason }) => {
    const home = open(homes);
    home.write(A1, others);
    await expect(home.store.read()).rejects.toThrow(reason);
  });

  it("is strict in an entry of its own version, also if that is named", async () => {
    const home = open(homes);
    home.write(LATER, { version: 1 });
    await expect(home.store.read()).rejects.toThrow('revocation 1 has the unknown field "severity"');
    home.write(A1, { version: 1, minReaderVersion: 1 });
    expect(serialNumbersOf(await home.store.read())).toEqual(["A1"]);
  });
});

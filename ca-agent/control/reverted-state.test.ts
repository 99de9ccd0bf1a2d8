import { afterEach, beforeEach, expect, it } from "vitest";
import { CONTROL_HOMES, ControlHomes } from "./control-homes-fixture.ts";
import { adding, serialNumbersOf } from "./control-store-contract-fixture.ts";

let homes: ControlHomes;
beforeEach(() => {
  homes = new ControlHomes();
});
afterEach(() => homes.end());

const STEP_MS = 500;

it.each(CONTROL_HOMES)(
  "a tool that keeps applying its own copy to $name makes no storm of writes, and is named",
  async ({ open }) => {
    const home = open(homes);
    await home.store.update(adding("A1"));
    const apply = home.backUp();
    const controls = [await homes.started(home), await homes.started(home)];
    await home.store.update(adding("A2"));
    await homes.pass(1000);
    const revoked = () => controls.map((control) => serialNumbersOf(control.current()).toSorted());
    for (let passedMs = 0; passedMs < 60_000; passedMs += STEP_MS) {
      apply();
      await homes.pass(STEP_MS);
    }
    // A line of each control plane for each time.
    const { length } = homes.log.find("it stays in force and is stored again");
    expect(length).toBeGreaterThan(6);
    expect(length).toBeLessThan(60);
    expect(revoked()).toEqual([
      ["A1", "A2"],
      ["A1", "A2"],
    ]);
    const fault = () => controls.map((control) => control.fault());
    const named = expect.stringMatching(/was restored.*stored \d times in vain: some tool keeps applying its own copy/);
    expect(fault()).toEqual([named, named]);
    await home.store.update(adding("A3"));
    await homes.passUntilStored(home, "A1", "A2", "A3");
    await homes.passUntil(() => fault().every((one) => one === undefined));
    expect(revoked()).toEqual([
      ["A1", "A2", "A3"],
      ["A1", "A2", "A3"],
    ]);
  },
);

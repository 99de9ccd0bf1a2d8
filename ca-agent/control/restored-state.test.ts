import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { CONTROL_HOMES, ControlHomes } from "./control-homes-fixture.ts";
import { adding, serialNumbersOf } from "./control-store-contract-fixture.ts";

let homes: ControlHomes;
beforeEach(() => {
  homes = new ControlHomes();
});
afterEach(() => homes.end());

const STORED_AGAIN = "it stays in force and is stored again";
const A1 = '[{"serial":"A1","revokedAt":"2026-11-26T18:44:32Z"}]';

describe.each(CONTROL_HOMES)("a backup that is restored in $name", ({ open }) => {
  it("takes back no revocation: a running control plane keeps it, says so, and stores it again", async () => {
    const home = open(homes);
    await home.store.update(adding("A1"));
    const restore = home.backUp();
    const control = await homes.started(home);
    await home.store.update(adding("A2"));
    await homes.pass(1000);
    restore();
    await homes.passUntilStored(home, "A1", "A2");
    expect(serialNumbersOf(control.current())).toEqual(["A1", "A2"]);
    expect(serialNumbersOf(await home.store.read())).toEqual(["A1", "A2"]);
    expect(control.fault()).toBeUndefined();
    expect(homes.log.find("replaced by an earlier state, as from a backup")).toHaveLength(1);
  });

  it("adds what is revoked in it alone, at once, and keeps the request for a rotation in force", async () => {
    const home = open(homes);
    const rotation = { requestId: "r-1", requestedAt: "2026-11-26T18:44:32Z" };
    await home.store.update((state) => ({ ...adding("A1")(state), rotation }));
    const restore = home.backUp();
    const control = await homes.started(home);
    await home.store.update(() => ({
      ...adding("A2")({ revocations: [], rotation: undefined }),
      rotation: { ...rotation, requestId: "r-2" },
    }));
    await homes.pass(1000);
    restore();
    await homes.passUntilStored(home, "A1", "A2");
    for (const state of [control.current(), await home.store.read()]) {
      expect([serialNumbersOf(state).toSorted(), state.rotation?.requestId]).toEqual([["A1", "A2"], "r-2"]);
    }
  });

  it("takes back nothing, also if it is changed before a control plane has seen it", async () => {
    const home = open(homes);
    await home.store.update(adding("A1"));
    const restore = home.backUp();
    const control = await homes.started(home);
    await home.store.update(adding("A2"));
    await homes.pass(1000);
    restore();
    await home.store.update(adding("A3"));
    await homes.passUntilStored(home, "A1", "A2", "A3");
    for (const state of [control.current(), await home.store.read()]) {
      expect(serialNumbersOf(state).toSorted()).toEqual(["A1", "A2", "A3"]);
    }
  });

  it("is stored once by several control planes, which have the same in force then and go on", async () => {
    const home = open(homes);
    await home.store.update(adding("A1"));
    const restore = home.backUp();
    const controls = [await homes.started(home), await homes.started(home), await homes.started(home)];
    await home.store.update(adding("A2"));
    await homes.pass(1000);
    restore();
    await homes.passUntilStored(home, "A1", "A2");
    const settled = home.content();
    await homes.pass(20_000);
    expect(home.content()).toBe(settled);
    await home.store.update((state) => ({ ...state, revocations: state.revocations.slice(1) }));
    await homes.pass(1000);
    for (const control of controls) expect(serialNumbersOf(control.current())).toEqual(["A2"]);
  });

  it.each([
    { name: "keeps the revision", keeps: true },
    { name: "has none", keeps: false },
  ])("is told from an edit, which $name", async ({ keeps }) => {
    const home = open(homes);
    const { revisions = [] } = await home.store.update(adding("A1", "A2"));
    const control = await homes.started(home);
    const revisionsName = open === CONTROL_HOMES[0].open ? "revisions" : "revisions.json";
    home.write(A1, keeps ? { [revisionsName]: revisions, version: 2, minReaderVersion: 1 } : {});
    await homes.pass(5000);
    for (const state of [control.current(), await home.store.read()]) expect(serialNumbersOf(state)).toEqual(["A1"]);
    expect(homes.log.find(STORED_AGAIN)).toEqual([]);
  });

  it("is told from an edit before it, which gets a revision of its own, once", async () => {
    const home = open(homes);
    const { revisions = [] } = await home.store.update(adding("A2"));
    const restore = home.backUp();
    const controls = [await homes.started(home), await homes.started(home)];
    const revisionsName = open === CONTROL_HOMES[0].open ? "revisions" : "revisions.json";
    home.write(A1, { [revisionsName]: revisions, version: 2, minReaderVersion: 1 });
    await homes.pass(3000);
    const stored = async () => (await home.store.read()).revisions;
    // Files are written in real time.
    await expect.poll(stored).toEqual([expect.any(Number), ...revisions]);
    const settled = await stored();
    await homes.pass(5000);
    expect(await stored()).toEqual(settled);
    restore();
    await homes.passUntilStored(home, "A1", "A2");
    for (const state of [...controls.map((control) => control.current()), await home.store.read()]) {
      expect(serialNumbersOf(state).toSorted()).toEqual(["A1", "A2"]);
    }
  });

  it("of a later version is not written over, and what is in force stays, with the reason", async () => {
    const home = open(homes);
    const { revisions = [] } = await home.store.update(adding("A1"));
    const control = await homes.started(home);
    await home.store.update(adding("A2"));
    await homes.pass(1000);
    const revisionsName = open === CONTROL_HOMES[0].open ? "revisions" : "revisions.json";
    home.write(A1, { [revisionsName]: revisions, version: 3, minReaderVersion: 1 });
    const before = home.content();
    await homes.passUntil(() => control.fault()?.includes("could not be stored") === true);
    await homes.pass(7000);
    expect(home.content()).toBe(before);
    expect(serialNumbersOf(control.current())).toEqual(["A1", "A2"]);
    expect(control.fault()).toMatch(/an earlier state was restored.*it could not be stored: control_version/);
    expect(homes.log.find(STORED_AGAIN)).toHaveLength(1);
  });
});

it("a backup in a ConfigMap that cannot be replaced is reported until it is", async () => {
  const home = homes.inConfigMap();
  await home.store.update(adding("A1"));
  const restore = home.backUp();
  const control = await homes.started(home);
  await home.store.update(adding("A2"));
  await homes.pass(1000);
  homes.beforeCall = ({ verb }) => {
    if (verb === "replace") throw new KubernetesApiError("api_refused", "forbidden", { status: 403 });
  };
  restore();
  await homes.pass(12_000);
  expect(control.fault()).toMatch(/an earlier state was restored, as from a backup: .*forbidden/);
  expect(serialNumbersOf(control.current())).toEqual(["A1", "A2"]);
  // What is revoked meanwhile does not wait for the next attempt.
  await home.store.update(adding("A3"));
  await homes.clock.advance(100);
  expect(serialNumbersOf(control.current()).toSorted()).toEqual(["A1", "A2", "A3"]);
  homes.beforeCall = () => undefined;
  await homes.pass(10_000);
  expect(serialNumbersOf(await home.store.read()).toSorted()).toEqual(["A1", "A2", "A3"]);
  expect(control.fault()).toBeUndefined();
});

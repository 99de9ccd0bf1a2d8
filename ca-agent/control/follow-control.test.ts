import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { CONTROL_HOMES, ControlHomes } from "./control-homes-fixture.ts";
import { EMPTY_CONTROL_STATE } from "./control-state.ts";
import { adding, serialNumbersOf } from "./control-store-contract-fixture.ts";

let homes: ControlHomes;
beforeEach(() => {
  homes = new ControlHomes();
});
afterEach(() => homes.end());

describe.each(CONTROL_HOMES)("a control plane that follows $name", ({ open }) => {
  it("begins with nothing where nothing was ever asked", async () => {
    const control = await homes.started(open(homes));
    expect(control.current()).toEqual(EMPTY_CONTROL_STATE);
    expect(control.fault()).toBeUndefined();
  });

  it("begins with what was asked before", async () => {
    const home = open(homes);
    await home.store.update(adding("A1"));
    expect(serialNumbersOf((await homes.started(home)).current())).toEqual(["A1"]);
  });

  it("has a change in force within a second, and reports it once", async () => {
    const home = open(homes);
    const control = await homes.started(home);
    const seen: (readonly string[])[] = [];
    control.subscribe(() => seen.push(serialNumbersOf(control.current())));
    await home.store.update(adding("A1"));
    await homes.pass(1000);
    await homes.pass(5000);
    expect(seen).toEqual([["A1"]]);
  });

  it("does not start with a list that cannot be read, and starts when it can", async () => {
    const home = open(homes);
    home.write("[{]");
    let isStarted = false;
    const starting = home.follow().then((control) => {
      isStarted = true;
      return control;
    });
    await homes.pass(5000);
    expect(isStarted).toBe(false);
    expect(homes.waiting.at(-1)).toContain("the list of revocations is not JSON".slice(-11));
    home.write('[{"serial":"A1","revokedAt":"2026-11-26T18:44:32Z"}]');
    await homes.pass(2000);
    expect(serialNumbersOf((await starting).current())).toEqual(["A1"]);
  });

  it("keeps the last valid list, with an alarm, until there is another one", async () => {
    const home = open(homes);
    await home.store.update(adding("A1"));
    const control = await homes.started(home);
    home.write("[{]");
    await homes.pass(2000);
    expect(serialNumbersOf(control.current())).toEqual(["A1"]);
    expect(control.fault()).toContain("not JSON");
    await homes.pass(5000);
    expect(homes.log.find("the last valid state stays in force")).toHaveLength(1);
    home.write("[]");
    await homes.pass(2000);
    expect([control.current().revocations, control.fault()]).toEqual([[], undefined]);
  });

  it("stores a deleted list again", async () => {
    const home = open(homes);
    await home.store.update(adding("A1"));
    const control = await homes.started(home);
    home.remove();
    await homes.passUntilStored(home, "A1");
    expect(serialNumbersOf(control.current())).toEqual(["A1"]);
    expect(serialNumbersOf(await home.store.read())).toEqual(["A1"]);
    expect(homes.log.find("it stays in force and is stored again")).toHaveLength(1);
  });

  it("gives up its start with the signal", async () => {
    const home = open(homes);
    home.write("[{]");
    const starting = home.follow();
    starting.catch(() => undefined);
    await homes.pass(1000);
    homes.stop.abort(new Error("stopped"));
    await expect(starting).rejects.toThrow("stopped");
  });
});

describe("the ConfigMap", () => {
  it("must have been looked for: no control plane starts while the API is away", async () => {
    const home = homes.inConfigMap();
    homes.beforeCall = () => {
      throw new KubernetesApiError("api_unreachable", "connection refused");
    };
    const starting = home.follow();
    await homes.pass(5000);
    expect(homes.waiting.at(-1)).toContain("connection refused");
    homes.beforeCall = () => undefined;
    await homes.pass(20_000);
    expect((await starting).current().revocations).toEqual([]);
  });

  it("must be allowed to be read: no control plane starts without the right, and the reason names it", async () => {
    const home = homes.inConfigMap();
    homes.beforeCall = ({ verb }) => {
      if (verb === "list") throw new KubernetesApiError("api_refused", "forbidden", { status: 403 });
    };
    home.follow().catch(() => undefined);
    await homes.pass(2000);
    expect(homes.waiting.at(-1)).toContain('grant "list configmaps in namespace istio-system"');
  });

  it("may be impossible to store again for a while", async () => {
    const home = homes.inConfigMap();
    await home.store.update(adding("A1"));
    const control = await homes.started(home);
    homes.beforeCall = ({ verb }) => {
      if (verb === "apply") throw new KubernetesApiError("api_unreachable", "connection refused");
    };
    home.remove();
    await homes.pass(6000);
    expect(control.fault()).toContain("connection refused");
    expect(serialNumbersOf(control.current())).toEqual(["A1"]);
    homes.beforeCall = () => undefined;
    await homes.pass(10_000);
    expect(serialNumbersOf(await home.store.read())).toEqual(["A1"]);
    expect(control.fault()).toBeUndefined();
  });
});

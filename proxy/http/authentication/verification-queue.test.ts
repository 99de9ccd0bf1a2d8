import { describe, expect, it } from "vitest";
import { VerificationQueue } from "./verification-queue.ts";

/** A queue whose verifications end when the test says so. */
function setup(limits: { maxActive?: number; maxWaitingOfClient?: number; maxWaiting?: number } = {}) {
  const queue = new VerificationQueue({ maxActive: 2, maxWaitingOfClient: 10, maxWaiting: 20, ...limits });
  const begun: string[] = [];
  const results = new Map<string, string>();
  const ends = new Map<string, () => void>();
  const start = (client: object, name: string): void => {
    const verify = (): Promise<string> => {
      begun.push(name);
      return new Promise((resolve) => ends.set(name, () => resolve("done")));
    };
    void queue.run(client, verify).then((result) => results.set(name, result ?? "refused"));
  };
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  };
  return { queue, begun, results, start, end };
}

describe("verifications", () => {
  it("are limited at a time, and begin in order as others end", async () => {
    const { queue, begun, start, end } = setup();
    const client = {};
    for (const name of ["a", "b", "c", "d"]) start(client, name);
    expect([begun.join(), queue.active, queue.waiting]).toEqual(["a,b", 2, 2]);
    await end("b");
    await end("a");
    expect([begun.join(), queue.active, queue.waiting]).toEqual(["a,b,c,d", 2, 0]);
  });

  it("take turns among clients, however many one of them has", async () => {
    const { begun, start, end } = setup({ maxActive: 1 });
    const [greedy, modest] = [{}, {}];
    for (const name of ["g1", "g2", "g3", "g4"]) start(greedy, name);
    start(modest, "m1");
    for (const name of ["g1", "g2", "m1"]) await end(name);
    expect(begun.join()).toBe("g1,g2,m1,g3");
  });

  it("of one client wait only in a limited number", async () => {
    const { queue, results, start, end } = setup({ maxActive: 1, maxWaitingOfClient: 2 });
    const client = {};
    for (const name of ["a", "b", "c", "d"]) start(client, name);
    await end("a");
    expect(results).toEqual(
      new Map([
        ["d", "refused"],
        ["a", "done"],
      ]),
    );
    expect(queue.waiting).toBe(1);
  });

  it("of the client with most of them give way when all places are taken", async () => {
    const { results, begun, start, end } = setup({ maxActive: 1, maxWaiting: 3 });
    const [flood, honest] = [{}, {}];
    for (const name of ["f0", "f1", "f2", "f3"]) start(flood, name);
    start(honest, "h");
    await end("f0");
    await end("f1");
    expect(results.get("f3")).toBe("refused");
    expect(begun.join()).toBe("f0,f1,h");
  });

  it("that throw give their place back, and their caller the error", async () => {
    const queue = new VerificationQueue({ maxActive: 1, maxWaitingOfClient: 1, maxWaiting: 1 });
    const failing = queue.run({}, () => Promise.reject(new Error("broken")));
    const next = queue.run({}, () => Promise.resolve("done"));
    await expect(failing).rejects.toThrow("broken");
    expect(await next).toBe("done");
    expect([queue.active, queue.waiting]).toEqual([0, 0]);
  });

  it("never leave a place taken, whatever the order of clients", async () => {
    const { queue, results, start, end } = setup({ maxActive: 3, maxWaitingOfClient: 4, maxWaiting: 6 });
    const clients = [{}, {}, {}];
    const names = Array.from({ length: 40 }, (_, index) => String(index));
    for (const [index, name] of names.entries()) start(clients[(index * 7) % 3] ?? {}, name);
    for (let round = 0; round < 5; round += 1) for (const name of names) await end(name);
    expect(results.size).toBe(40);
    expect([queue.active, queue.waiting]).toEqual([0, 0]);
  });
});

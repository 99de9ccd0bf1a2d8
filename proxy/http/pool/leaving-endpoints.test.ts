import { describe, expect, it } from "vitest";
import { startSharedWorld } from "./shared-connection-fixture.ts";

const SECOND_MS = 1000;

/** Two endpoints; the first is chosen while neither is avoided. */
function start() {
  const { world, connections, pool } = startSharedWorld(10, { endpoints: 2 });
  /** A request, after which the server has announced its connection's end, or not. @returns the endpoint's address. */
  const ask = async (isEnding: boolean): Promise<string> => {
    const taken = await world.take();
    const connection = connections.find((one) => one === taken.connection);
    if (connection === undefined) throw new Error("no connection");
    connection.isEnding = isEnding;
    pool.release(taken);
    return taken.endpoint.ip;
  };
  return { world, ask };
}

const FIRST = "10.0.0.1";
const SECOND = "10.0.0.2";

describe("an endpoint whose server announces the end of a connection", () => {
  it("is not avoided: it may have a new certificate or policy, and takes the next connection", async () => {
    const { ask } = start();
    expect([await ask(true), await ask(false), await ask(false)]).toEqual([FIRST, FIRST, FIRST]);
  });

  it("and of the next one is avoided for a second: it is leaving", async () => {
    const { world, ask } = start();
    expect([await ask(true), await ask(true), await ask(false)]).toEqual([FIRST, FIRST, SECOND]);
    await world.clock.advance(2 * SECOND_MS);
    expect(await ask(false)).toBe(FIRST);
  });

  it("is not avoided for the end of many connections that were all made before", async () => {
    const { world, connections, pool } = startSharedWorld(1, { endpoints: 2 });
    const tried = () => new Set([`${SECOND}:80`]);
    const taken = [await world.take(tried()), await world.take(tried()), await world.take(tried())];
    for (const connection of connections) connection.isEnding = true;
    for (const one of taken) pool.release(one);
    expect((await world.take()).endpoint.ip).toBe(FIRST);
  });

  it.each([
    { renewedAfterSeconds: 12, name: "at the next renewal" },
    { renewedAfterSeconds: 4, name: "with certificates that last for seconds" },
  ])("is not avoided if the next one has served for a while, as $name", async ({ renewedAfterSeconds }) => {
    const { world, ask } = start();
    await ask(true);
    for (let seconds = 0; seconds < renewedAfterSeconds; seconds += 4) {
      await ask(false);
      await world.clock.advance(4 * SECOND_MS);
    }
    expect([await ask(true), await ask(false)]).toEqual([FIRST, FIRST]);
  });
});

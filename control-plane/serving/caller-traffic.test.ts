import { expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { CallerTraffic, type Traffic } from "./caller-traffic.ts";

const MB = 1024 * 1024;

it("what a caller sends counts over all its connections, and a caller that stays below the limit is never cut", async () => {
  const clock = new FakeClock();
  const open: (Traffic & { bytesRead: number })[] = ["greedy", "greedy", "honest"].map((caller) => ({
    caller,
    bytesRead: 0,
  }));
  const cut: string[] = [];
  const traffic = new CallerTraffic<Traffic>({
    limits: { trafficBurstBytes: 10 * MB, trafficBytesPerSecond: MB, trafficSampleMs: 1000 },
    clock,
    connections: () => open,
    measure: (connection) => connection,
    onTooMuch: ({ caller }) => void cut.push(caller),
  });
  traffic.watch();
  traffic.watch();
  const send = async (bytes: Readonly<Record<string, number>>): Promise<void> => {
    for (const connection of open) connection.bytesRead += bytes[connection.caller] ?? 0;
    await clock.advance(1000);
  };
  for (let second = 0; second < 30; second += 1) await send({ honest: MB });
  await send({ greedy: 5 * MB });
  expect(cut).toEqual([]);
  await send({ greedy: 2 * MB });
  expect(cut).toEqual(["greedy", "greedy"]);
  await clock.advance(20_000);
  await send({ greedy: MB });
  expect(cut).toHaveLength(2);
  traffic.stop();
  expect(clock.pendingTimers).toBe(0);
});

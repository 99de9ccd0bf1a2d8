/** For tests of programs that talk over sockets: a clock on which minutes pass in seconds. */
import { stat } from "node:fs/promises";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import type { Cleanup } from "./cleanup-fixture.ts";

const TICK_MS = 5;
/** After the process has stood still, each step makes up for so much of what is missing. */
const CATCH_UP = 1 / 16;

/**
 * A clock that begins at the system's time, and runs at most `factor` times as fast. Each step of `factor` × 5 ms is
 * taken after the process has had its turn: while a busy machine keeps it from its sockets and files, time stands still
 * too, and no certificate expires that a quick machine would have renewed. It is hardly ever behind the system's clock, by
 * which OpenSSL judges certificates: then its steps are longer, but no time limit passes between two turns. It stops with
 * the test.
 * @param aheadMs by how much it begins ahead of the system's clock, which then is no limit for certificates: OpenSSL takes a
 * leaf of seconds for one of this time. Leaves are backdated by two minutes.
 */
export function startFastClock(cleanup: Cleanup, factor = 10, aheadMs = 0): FakeClock {
  const clock = new FakeClock(Date.now() + aheadMs);
  let isRunning = true;
  cleanup.add(() => {
    isRunning = false;
  });
  const tick = async (): Promise<void> => {
    // By a thread of the pool, which is where files are read.
    await stat(import.meta.dirname);
    await clock.advance(Math.max(factor * TICK_MS, Math.ceil((Date.now() - clock.now()) * CATCH_UP)));
    if (isRunning) setTimeout(tick, TICK_MS);
  };
  void tick();
  return clock;
}

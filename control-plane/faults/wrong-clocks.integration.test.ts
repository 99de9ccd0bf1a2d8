import { afterEach, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { formatTraffic } from "../../proxy/counted-requests-fixture.ts";
import { ClockMesh, HOUR_MS } from "./clock-mesh-fixture.ts";

/** A certificate is renewed at half of its lifetime ± 10 %, by a clock that may be wrong by an hour. */
const RENEWAL_HOURS = 15;
/** The last token ends within two hours. */
const DAY_HOURS = 2 + 25;

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A pod starts, and ends. */
async function startPod(mesh: ClockMesh): Promise<void> {
  const own = new Cleanup();
  cleanup.add(() => own.run());
  await mesh.startPod(own);
  await own.run();
}

it("no request fails, and pods start, while a clock is set an hour ahead or behind, and while tokens have expired for a day", async () => {
  const mesh = await ClockMesh.start(cleanup);
  const lines: string[] = [];
  const observe = async (what: string, action: () => Promise<void>): Promise<void> => {
    const [before, serials, startMs] = [mesh.traffic.count, mesh.serialNumbers(), performance.now()];
    await action();
    const seconds = (performance.now() - startMs) / 1000;
    lines.push(`${what}: ${mesh.traffic.count - before} requests in ${seconds.toFixed(1)} s`);
    // The last hour's renewals may still be on their way.
    await until(() => mesh.serialNumbers().every((serial, index) => serial !== serials[index]));
    expect([what, mesh.traffic.failures]).toEqual([what, []]);
  };
  for (const machine of ["controlPlane", "client", "server"] as const) {
    for (const wrongByMs of [HOUR_MS, -HOUR_MS]) {
      await observe(`the clock of the ${machine} is wrong by ${wrongByMs / HOUR_MS} h`, async () => {
        mesh.setClock(machine, wrongByMs);
        await startPod(mesh);
        await mesh.pass(RENEWAL_HOURS, { tokens: true, wrongByMs: machine === "controlPlane" ? 0 : wrongByMs });
        mesh.setClock(machine, 0);
      });
    }
  }
  const proofs = () => mesh.controlPlane.log.find('"issued"').map(({ fields }) => fields["by"]);
  const before = proofs().length;
  await observe("tokens have expired for a day", () => mesh.pass(DAY_HOURS, { tokens: false }));
  expect(new Set(proofs().slice(before))).toEqual(new Set(["certificate"]));
  const later = proofs().length;
  await observe("tokens are renewed", () => mesh.pass(RENEWAL_HOURS, { tokens: true }));
  expect(new Set(proofs().slice(later))).toEqual(new Set(["token"]));
  const report = await mesh.traffic.end();
  process.stdout.write(`${[formatTraffic(report), ...lines].join("\n  ")}\n`);
  expect(report.failures).toEqual([]);
});

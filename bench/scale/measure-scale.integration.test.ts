import { expect, it } from "vitest";
import { formatFigures, judgeFigures } from "./format-figures.ts";
import { measureScale } from "./measure-scale.ts";

it("measures a small mesh, in which every change reaches all sidecars that use the service", async () => {
  const size = { services: 12, pods: 48, sidecars: 6, used: 4 };
  const stopping = new AbortController();
  const plan = { size, rate: 20, seconds: 1, settleMs: 0 };
  const figures = await measureScale(plan, { onProgress: () => undefined, signal: stopping.signal });
  expect(figures.changes).toMatchObject({ incomplete: 0, count: expect.any(Number) });
  expect(figures.changes.count).toBeGreaterThan(0);
  const judged = judgeFigures(figures);
  expect(judged.filter(({ value }) => !Number.isFinite(value))).toEqual([]);
  for (const { title } of judged) expect(formatFigures(figures)).toContain(title);
}, 180_000);

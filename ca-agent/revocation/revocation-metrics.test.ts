import { Registry } from "prom-client";
import { expect, it } from "vitest";
import { EMPTY_CONTROL_STATE } from "../control/control-state.ts";
import { registerRevocationMetrics } from "./revocation-metrics.ts";

it("the date of the next list is absent without one, so that no alert takes it for one that has expired", async () => {
  const registry = new Registry();
  let nextUpdateMs: number | undefined;
  registerRevocationMetrics(registry, {
    control: { fault: () => undefined },
    lists: { fault: () => undefined, nextUpdateMs: () => nextUpdateMs, entries: () => [] },
    revocations: {
      entries: () => EMPTY_CONTROL_STATE.revocations,
      current: () => ({ certificates: [], identities: [], pods: [] }),
    },
  });
  const NAME = "entente_ca_revocation_list_next_update_timestamp";
  const samples = async () => (await registry.metrics()).split("\n").filter((line) => line.startsWith(NAME));
  expect(await samples()).toEqual([]);
  nextUpdateMs = 1_900_000_000_000;
  expect(await samples()).toEqual([`${NAME} 1900000000`]);
  nextUpdateMs = undefined;
  expect(await samples()).toEqual([]);
});

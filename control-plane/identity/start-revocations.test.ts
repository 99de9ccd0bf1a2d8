import { Registry } from "prom-client";
import { afterEach, expect, it } from "vitest";
import { LiveLists } from "../../ca-agent/revocation/lists/live-lists.ts";
import { MemoryControl } from "../../ca-agent/revocation/revocations-fixture.ts";
import { verifiedPeer } from "../../mesh/api/peer-fixture.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startRevocations } from "./start-revocations.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function start() {
  const stop = new AbortController();
  cleanup.add(() => stop.abort());
  const shared = { clock: new FakeClock(), log: new RecordingLogger(), signal: stop.signal };
  const control = new MemoryControl();
  const authority = { roots: () => [], subscribe: () => () => undefined };
  return startRevocations({
    ...{ ...shared, control, controlStore: control, source: undefined, random: () => 0.5, registry: new Registry() },
    lists: new LiveLists({ ...shared, authority, onWaiting: () => undefined }),
    trustDomains: [parseTrustDomain("cluster.local")],
    maxLifetimeMs: 86_400_000,
  });
}

it("a proxy that invents names of pods does not fill what is known of others, and stays known as the first ones", () => {
  const { onProxy, issuing } = start();
  const caller = verifiedPeer();
  for (let index = 0; index < 100; index += 1) onProxy({ namespace: "ns1", pod: `invented-${index}`, caller });
  const names = issuing.findPods(caller).map(({ name }) => name);
  expect(names).toEqual(Array.from({ length: 8 }, (_, index) => `invented-${index}`));
});

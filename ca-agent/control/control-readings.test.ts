import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { InProcessApi } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createConfigMapControlStore } from "./config-map-control-store.ts";
import { adding } from "./control-store-contract-fixture.ts";
import { followConfigMapControl } from "./follow-config-map-control.ts";

const namespace = "istio-system";
const OUTAGE_MS = 600_000;

let clock: FakeClock;
let cluster: TestCluster;
let stop: AbortController;
let beforeCall: () => void;
beforeEach(() => {
  clock = new FakeClock();
  cluster = new TestCluster({ now: () => clock.now() });
  cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  stop = new AbortController();
  beforeCall = () => undefined;
});
afterEach(() => stop.abort());

async function start() {
  const api = new InProcessApi(cluster, { beforeCall: () => beforeCall() });
  const shared = { namespace, clock, random: () => 0.5, randomBytes, signal: stop.signal };
  const store = createConfigMapControlStore({ ...shared, api: new InProcessApi(cluster) });
  const starting = followConfigMapControl({
    ...{ ...shared, api, log: new RecordingLogger(), trustDomains: [], onWaiting: () => undefined },
  });
  await clock.advance(1000);
  return { api, store, control: await starting };
}

it("the age of the revocations is that of the last confirmation, and their digest the same for all", async () => {
  const [one, other] = [await start(), await start()];
  const digests = () => new Set([one, other].map(({ control }) => control.reading().digest));
  const before = digests();
  expect(before.size).toBe(1);
  await clock.advance(5000);
  await one.store.update(adding("A1"));
  await clock.advance(100);
  expect(digests().size).toBe(1);
  expect(digests()).not.toEqual(before);
  expect(one.control.reading().ageMs).toBeLessThanOrEqual(100);
  expect(one.control.reading().revisions).toEqual([expect.any(Number), 0]);
  beforeCall = () => {
    throw new KubernetesApiError("api_unreachable", "connection refused");
  };
  for (const watch of [...one.api.watches]) watch.cut();
  await clock.advance(OUTAGE_MS);
  expect(one.control.reading().ageMs).toBeGreaterThanOrEqual(OUTAGE_MS);
});

it("revocations that cannot be read leave the age of those in force, which grows", async () => {
  const { control, store } = await start();
  await store.update(adding("A1"));
  await clock.advance(1000);
  const { digest } = control.reading();
  const metadata = { name: "entente-ca", namespace };
  const damaged = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { "revocations.json": "[{" } };
  cluster.replace(KINDS.configMaps, damaged);
  await clock.advance(1000);
  expect(control.fault()).toContain("not JSON");
  // The lists in between say that this is what the server has.
  await clock.advance(OUTAGE_MS);
  expect(control.reading()).toMatchObject({ digest });
  expect(control.reading().ageMs).toBeGreaterThanOrEqual(OUTAGE_MS);
});

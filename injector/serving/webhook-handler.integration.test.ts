import { createServer } from "node:http";
import { afterEach, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { createRecordedLog } from "../../net/http-fixture.ts";
import { listen, sendRaw } from "../../net/raw-client-fixture.ts";
import { TEST_DEPS } from "../admission/pod-fixture.ts";
import { createInjectorMetrics } from "../injector-metrics.ts";
import { createBodyBudget } from "./body-budget.ts";
import { review } from "./webhook-fixture.ts";
import { createWebhookHandler, type WebhookHandlerDeps } from "./webhook-handler.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const DEPS: WebhookHandlerDeps = {
  settings: () => TEST_DEPS.settings,
  createToken: TEST_DEPS.createToken,
  findUnreadiness: () => undefined,
  isEnding: () => false,
  analyze: () => [],
  onReviewed: () => undefined,
  metrics: createInjectorMetrics(systemClock),
  clock: systemClock,
  log: createRecordedLog(),
  bodies: { maxBytes: 1000, budget: createBodyBudget(10_000) },
};

const throwing = (): never => {
  throw new Error("broken");
};

it.each([
  { name: "of the review becomes a 500", log: {}, response: /^HTTP\/1\.1 500 / },
  { name: "of the review and of its log cuts the client", log: { error: throwing }, response: /^$/ },
])("an exception $name, and other requests are served", async ({ log, response }) => {
  const handler = createWebhookHandler({
    ...DEPS,
    metrics: { ...DEPS.metrics, start: throwing },
    log: { ...createRecordedLog(), ...log },
  });
  const port = await listen(cleanup, createServer(handler));
  const end = "Host: a\r\nConnection: close\r\n\r\n";
  expect(await sendRaw(cleanup, port, `POST /inject HTTP/1.1\r\n${end}`)).toMatch(response);
  expect(await sendRaw(cleanup, port, `GET /healthz/ready HTTP/1.1\r\n${end}`)).toContain("ready");
});

const EARLY = "IST0101 PeerAuthentication/default.ns1: what it names does not exist";

it.each([
  { name: "what a resource names arrives late", analyses: [[EARLY], []], warnings: undefined, waitMs: 500 },
  { name: "what a resource names never arrives", analyses: [[EARLY], [EARLY]], warnings: [EARLY], waitMs: 500 },
  { name: "another thing is suspicious", analyses: [["ENT0006 x"]], warnings: ["ENT0006 x"], waitMs: 0 },
])("a review when $name has the warnings $warnings", async ({ analyses, warnings, waitMs }) => {
  const clock = new FakeClock();
  const left = [...analyses];
  const handler = createWebhookHandler({ ...DEPS, clock, analyze: () => left.shift() ?? [] });
  const port = await listen(cleanup, createServer(handler));
  const object = {
    ...{ apiVersion: "security.istio.io/v1", kind: "PeerAuthentication" },
    ...{ metadata: { name: "default", namespace: "ns1" }, spec: { mtls: { mode: "STRICT" } } },
  };
  const body = review(object, { kind: { kind: "PeerAuthentication" } });
  const response = fetch(`http://127.0.0.1:${port}/validate`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, body },
  });
  if (waitMs > 0) await expect.poll(() => clock.pendingTimers, { interval: 1 }).toBeGreaterThan(0);
  await clock.advance(waitMs);
  const reviewed = Object(await (await response).json());
  expect([reviewed.response.allowed, reviewed.response.warnings, left]).toEqual([true, warnings, []]);
});

import { createServer } from "node:http";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { createRecordedLog } from "../../net/http-fixture.ts";
import { listen, sendRaw } from "../../net/raw-client-fixture.ts";
import { TEST_DEPS } from "../admission/pod-fixture.ts";
import { createInjectorMetrics } from "../injector-metrics.ts";
import { createBodyBudget } from "./body-budget.ts";
import { createWebhookHandler } from "./webhook-handler.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const throwing = (): never => {
  throw new Error("broken");
};

it.each([
  { name: "of the review becomes a 500", log: {}, response: /^HTTP\/1\.1 500 / },
  { name: "of the review and of its log cuts the client", log: { error: throwing }, response: /^$/ },
])("an exception $name, and other requests are served", async ({ log, response }) => {
  const handler = createWebhookHandler({
    settings: () => TEST_DEPS.settings,
    createToken: TEST_DEPS.createToken,
    findUnreadiness: () => undefined,
    isEnding: () => false,
    analyze: () => [],
    onReviewed: () => undefined,
    metrics: { ...createInjectorMetrics(systemClock), start: throwing },
    clock: systemClock,
    log: { ...createRecordedLog(), ...log },
    bodies: { maxBytes: 100, budget: createBodyBudget(100) },
  });
  const port = await listen(cleanup, createServer(handler));
  const end = "Host: a\r\nConnection: close\r\n\r\n";
  expect(await sendRaw(cleanup, port, `POST /inject HTTP/1.1\r\n${end}`)).toMatch(response);
  expect(await sendRaw(cleanup, port, `GET /healthz/ready HTTP/1.1\r\n${end}`)).toContain("ready");
});

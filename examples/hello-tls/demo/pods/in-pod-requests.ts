/**
 * Runs inside a pod's network: asks a URL again and again, each time on a new connection, and prints as JSON how often,
 * and what went wrong.
 */
import { argv, stdout } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import type { RequestBatch, RequestTally } from "../checks/traffic.ts";

/** The time limit of a request. Only a fault needs it, or a very busy machine. */
const LIMIT_MS = 20_000;

// The traffic starts this file itself, with a batch of its own making as the argument.
const batch: RequestBatch = JSON.parse(argv[2] ?? "{}");
const endMs = Date.now() + batch.durationMs;
const tally: { requests: number; failures: string[] } = { requests: 0, failures: [] };
while (Date.now() < endMs) {
  tally.requests += 1;
  const failure = await askOnce().catch((error: unknown) => String(error));
  if (failure !== undefined) tally.failures.push(`${new Date().toISOString()} ${failure}`);
  await sleep(batch.pauseMs);
}
stdout.write(JSON.stringify(tally satisfies RequestTally));

async function askOnce(): Promise<string | undefined> {
  const dispatcher = new Agent({ pipelining: 0 });
  try {
    const { statusCode, body } = await request(batch.url, {
      dispatcher,
      headersTimeout: LIMIT_MS,
      bodyTimeout: LIMIT_MS,
    });
    const text = (await body.text()).trim();
    return statusCode === 200 && text === batch.expected ? undefined : `${statusCode} ${JSON.stringify(text)}`;
  } finally {
    await dispatcher.destroy();
  }
}

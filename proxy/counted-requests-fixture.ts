/** For tests: clients that send requests all the time, on kept and on new connections, and count each one. */
import { Agent, get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Cleanup } from "../net/cleanup-fixture.ts";

export interface TrafficOptions {
  /** Between the requests of one client. @default 50 */
  readonly pauseMs?: number;
}

/** What the clients have seen. */
export interface TrafficReport {
  /** Of each client; two for each port: one keeps its connection, one opens a new one for each request. */
  readonly requests: readonly number[];
  /** With their time and port. */
  readonly failures: readonly string[];
  readonly seconds: number;
  readonly slowestMs: number;
}

export interface Traffic {
  /** So far. */
  readonly failures: readonly string[];
  /** So far, of all clients. */
  readonly count: number;
  /** Resolves at a moment at which no request is on its way: one that a killed server has is lost. */
  idle(): Promise<void>;
  end(): Promise<TrafficReport>;
}

/** Each request has as long: a client would not wait any longer. */
const LIMIT_MS = 30_000;

/** Starts two clients at each port of loopback. A request succeeds if it gets the whole response of `startHoldingApplication`. */
export function startTraffic(
  cleanup: Cleanup,
  ports: readonly number[],
  { pauseMs = 50 }: TrafficOptions = {},
): Traffic {
  const stop = new AbortController();
  // Of a test that has failed before it ended them.
  cleanup.add(() => stop.abort());
  const failures: string[] = [];
  const beganMs = performance.now();
  let count = 0;
  let onItsWay = 0;
  let idle = Promise.withResolvers<void>();
  let slowestMs = 0;
  const agents = ports.flatMap((port) => [true, false].map((keepAlive) => ({ port, agent: new Agent({ keepAlive }) })));
  const loops = agents.map(async ({ port, agent }) => {
    let requests = 0;
    while (!stop.signal.aborted) {
      const startMs = performance.now();
      onItsWay += 1;
      const failure = await ask(port, agent);
      onItsWay -= 1;
      if (onItsWay === 0) idle.resolve();
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      requests += 1;
      count += 1;
      if (failure !== undefined) failures.push(`${new Date().toISOString()}, port ${port}: ${failure}`);
      await delay(pauseMs);
    }
    agent.destroy();
    return requests;
  });
  return {
    failures,
    get count() {
      return count;
    },
    idle: async () => {
      idle = Promise.withResolvers();
      await idle.promise;
    },
    end: async () => {
      stop.abort();
      const requests = await Promise.all(loops);
      const seconds = (performance.now() - beganMs) / 1000;
      return { requests, failures, seconds, slowestMs };
    },
  };
}

/** A line for the log of a test. */
export function formatTraffic({ requests, failures, seconds, slowestMs }: TrafficReport): string {
  const all = requests.reduce((sum, some) => sum + some, 0);
  const slowest = `the slowest ${Math.round(slowestMs)} ms`;
  return `${all} requests of ${requests.length} clients in ${seconds.toFixed(1)} s, ${failures.length} failed, ${slowest}`;
}

function ask(port: number, agent: Agent): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, agent, headers: { host: "shop.example" } }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("error", ({ message }) => resolve(`the response ended early: ${message}`));
      response.on("end", () => resolve(text === "whole" ? undefined : `${response.statusCode} ${text}`));
    });
    request.setTimeout(LIMIT_MS, () => request.destroy(new Error(`no response within ${LIMIT_MS} ms`)));
    request.on("error", ({ message }) => resolve(message));
  });
}

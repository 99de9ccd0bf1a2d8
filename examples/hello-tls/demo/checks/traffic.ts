import { setTimeout as sleep } from "node:timers/promises";
import type { DemoCluster } from "../demo-cluster.ts";
import { inPodCommand } from "../pods/probe.ts";
import { fieldOf, listOf, parseJson } from "./json-fields.ts";

/** Requests so far, by whether their connections are kept or new each time. */
export interface TrafficCount {
  readonly kept: number;
  readonly fresh: number;
  /** One line for each failed request. */
  readonly failures: readonly string[];
}

/** Requests that go on while the checks do their work. */
export interface Traffic {
  count(): TrafficCount;
  /** Lets the requests under way come to their end. */
  stop(): Promise<void>;
  /** Goes on after a stop. */
  resume(): void;
}

/** What a program in a pod is to ask for. */
export interface RequestBatch {
  readonly url: string;
  readonly expected: string;
  readonly durationMs: number;
  readonly pauseMs: number;
}

export interface RequestTally {
  readonly requests: number;
  readonly failures: readonly string[];
}

export const GATEWAY_HOST = "hello-tls.example.com";
export const GATEWAY_TEXT = "hello world !!!";
const WORLD_TEXT = "world !!!";
const REQUESTS = new URL("../pods/in-pod-requests.ts", import.meta.url);
const PAUSE_MS = 25;
const BATCH_MS = 1500;

interface Tally {
  kept: number;
  fresh: number;
  readonly failures: string[];
}

interface RunningTraffic {
  readonly cluster: DemoCluster;
  readonly stopping: AbortSignal;
  readonly signal: AbortSignal;
  readonly tally: Tally;
}

/**
 * Starts requests through the gateway on kept connections, and from hello's pod to world each on a new connection, so
 * that old connections and new handshakes both meet every rotation.
 */
export function startTraffic(cluster: DemoCluster, signal: AbortSignal): Traffic {
  const tally: Tally = { kept: 0, fresh: 0, failures: [] };
  let stretch = startStretch(cluster, tally, signal);
  return {
    count: () => ({ ...tally, failures: [...tally.failures] }),
    stop: () => stretch.stop(),
    resume: () => {
      stretch = startStretch(cluster, tally, signal);
    },
  };
}

function startStretch(cluster: DemoCluster, tally: Tally, signal: AbortSignal): Pick<Traffic, "stop"> {
  const stop = new AbortController();
  const running: RunningTraffic = { cluster, stopping: stop.signal, signal, tally };
  const loops = Promise.all([askThroughGateway(running), askFromHello(running)]);
  // A fault is reported when the traffic is stopped; until then it must not end the process.
  loops.catch(() => undefined);
  return {
    stop: async () => {
      stop.abort();
      await loops;
    },
  };
}

function isGoingOn({ stopping, signal }: RunningTraffic): boolean {
  return !stopping.aborted && !signal.aborted;
}

async function askThroughGateway(running: RunningTraffic): Promise<void> {
  const { host, gatewayUrl } = running.cluster;
  while (isGoingOn(running)) {
    const reply = await host.ask(gatewayUrl, GATEWAY_HOST);
    if (running.signal.aborted) return;
    running.tally.kept += 1;
    if (reply.kind === "failed") note(running, `gateway: ${reply.message}`);
    else if (reply.status !== 200 || reply.text !== GATEWAY_TEXT) {
      note(running, `gateway: ${reply.status} ${JSON.stringify(reply.text)}`);
    }
    await sleep(PAUSE_MS);
  }
}

async function askFromHello(running: RunningTraffic): Promise<void> {
  const url = "http://world.ns2:8080/";
  const batch: RequestBatch = { url, expected: WORLD_TEXT, durationMs: BATCH_MS, pauseMs: PAUSE_MS };
  while (isGoingOn(running)) {
    const { stdout, stderr, status } = await running.cluster.hello.exec(inPodCommand(REQUESTS, batch));
    if (running.signal.aborted) return;
    const tally = parseJson(stdout);
    const requests = fieldOf(tally, "requests");
    if (typeof requests !== "number") {
      note(running, `the requests from hello did not run (status ${status}): ${stderr.trim().slice(-300)}`);
      continue;
    }
    running.tally.fresh += requests;
    for (const failure of listOf(tally, "failures")) note(running, `hello → world: ${String(failure)}`);
  }
}

function note(running: RunningTraffic, failure: string): void {
  running.tally.failures.push(failure);
}

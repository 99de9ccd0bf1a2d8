import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { formatRequest } from "./connect-mesh.ts";
import type { PacedJob } from "./load-job.ts";
import { type LoadResult, latencyOf } from "./load-result.ts";
import { ResponseReader } from "./response-reader.ts";

const DRAIN_MS = 5000;

/**
 * Sends requests at fixed times and does not wait for responses to do so. A request whose time has come while every
 * connection is busy waits for one, and its waiting counts: the latency runs from the moment at which the request was due
 * to the response's end, so that a stall is felt by every request that it delays (no coordinated omission). Only where the
 * generator itself woke late, because the machine gave it no CPU, does the latency run from its waking.
 */
export async function sendPaced(job: PacedJob): Promise<LoadResult> {
  const sockets = await openConnections(job);
  await Promise.all(sockets.map((socket) => askOnce(socket, formatRequest(job.file, false))));
  const run = new PacedRun(job, sockets);
  await run.send();
  return await run.finish();
}

/** How many requests were due by now. */
export function countDue(rate: number, elapsedMs: number): number {
  return Math.floor((elapsedMs * rate) / 1000);
}

async function openConnections(job: PacedJob): Promise<readonly Socket[]> {
  const sockets = Array.from({ length: job.connections }, () =>
    connect({ host: job.host, port: job.port, noDelay: true }),
  );
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  return sockets;
}

/** Before the clock starts every connection has carried a request: what it takes to open one is another workload's. */
function askOnce(socket: Socket, request: string): Promise<void> {
  const reader = new ResponseReader();
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error("a connection was closed before its first response"));
    const onData = (chunk: Buffer): void => {
      if (reader.push(chunk).length === 0) return;
      socket.off("data", onData).off("close", onClose);
      resolve();
    };
    socket.on("data", onData).once("close", onClose);
    socket.write(request);
  });
}

interface PacedConnection {
  readonly socket: Socket;
  readonly reader: ResponseReader;
  /** When the request that it carries was due; `undefined`: it is free. */
  dueMs: number | undefined;
}

class PacedRun {
  readonly #job: PacedJob;
  readonly #request: string;
  readonly #latencies: number[] = [];
  /** In the order in which they became free, so that all of them are used. */
  readonly #free: PacedConnection[] = [];
  /** When the requests that wait for a connection were due. */
  readonly #waiting: number[] = [];
  #failures = 0;
  #underWay = 0;
  #startedMs = 0;

  constructor(job: PacedJob, sockets: readonly Socket[]) {
    this.#job = job;
    this.#request = formatRequest(job.file, false);
    for (const socket of sockets) this.#watch({ socket, reader: new ResponseReader(), dueMs: undefined });
  }

  send(): Promise<void> {
    const total = this.#job.rate * this.#job.seconds;
    this.#startedMs = performance.now();
    let sent = 0;
    return new Promise((resolve) => {
      const tick = (): void => {
        const nowMs = performance.now();
        const due = Math.min(total, countDue(this.#job.rate, nowMs - this.#startedMs));
        for (; sent < due; sent += 1) this.#start(nowMs);
        if (sent === total) resolve();
        else setTimeout(tick, 1);
      };
      tick();
    });
  }

  async finish(): Promise<LoadResult> {
    const deadline = performance.now() + DRAIN_MS;
    while (this.#underWay + this.#waiting.length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const failures = this.#failures + this.#underWay + this.#waiting.length;
    for (const { socket } of this.#free) socket.destroy();
    const latencyMs = latencyOf(this.#latencies);
    return { generator: "own", count: this.#latencies.length, failures, seconds, latencyMs };
  }

  #start(dueMs: number): void {
    const connection = this.#free.shift();
    if (connection === undefined) this.#waiting.push(dueMs);
    else this.#carry(connection, dueMs);
  }

  #carry(connection: PacedConnection, dueMs: number): void {
    connection.dueMs = dueMs;
    this.#underWay += 1;
    connection.socket.write(this.#request);
  }

  #watch(connection: PacedConnection): void {
    const { socket, reader } = connection;
    this.#free.push(connection);
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      for (const { status } of reader.push(chunk)) this.#answered(connection, status);
    });
    socket.on("close", () => this.#lost(connection));
  }

  /** What it carried has failed; the others carry the rest. */
  #lost(connection: PacedConnection): void {
    const place = this.#free.indexOf(connection);
    if (place >= 0) this.#free.splice(place, 1);
    if (connection.dueMs === undefined) return;
    this.#underWay -= 1;
    this.#failures += 1;
  }

  #answered(connection: PacedConnection, status: number): void {
    this.#underWay -= 1;
    if (status === 200) this.#latencies.push(performance.now() - (connection.dueMs ?? 0));
    else this.#failures += 1;
    connection.dueMs = undefined;
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(connection);
    else this.#carry(connection, next);
  }
}

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runToEnd } from "../processes/run-to-end.ts";
import { GRPC_PATH, watchGrpcStatus } from "./grpc-client.ts";
import { formatGrpcRequest, UNARY_MESSAGE } from "./grpc-messages.ts";
import { type LoadResult, latencyOf } from "./load-result.ts";

/** Unary calls, as many as go through. */
export interface UnaryLoad {
  readonly port: number;
  readonly seconds: number;
  readonly connections: number;
  /** Of one connection. */
  readonly streams: number;
}

interface H2loadReport {
  readonly done: number;
  readonly with2xx: number;
  readonly dataBytes: number;
  readonly seconds: number;
}

const PILOT_CALLS = 4000;

/**
 * Runs h2load with a number of calls that takes about as long as wanted, so that each call is complete at the end and can
 * be counted. Throws where a call was not answered with 200 and a whole message. h2load does not look at trailers, so calls
 * of our own run beside it, ten a second, and throw at any grpc-status but 0.
 */
export async function runUnaryLoad(load: UnaryLoad): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), "entente-bench-h2load-"));
  try {
    const files = { body: join(folder, "body"), log: join(folder, "log") };
    writeFileSync(files.body, formatGrpcRequest(0));
    const running = runTwice(load, files);
    const fault = await watchGrpcStatus(load.port, running);
    const [pilot, main] = await running;
    if (fault !== undefined) throw new Error(fault);
    for (const report of [pilot, main]) checkAnswers(report);
    return {
      generator: "h2load",
      count: pilot.done + main.done,
      failures: 0,
      seconds: pilot.seconds + main.seconds,
      latencyMs: latencyOf(parseH2loadLog(readFileSync(files.log, "latin1"))),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface LoadFiles {
  readonly body: string;
  readonly log: string;
}

/** The first run measures how many calls a second go through. */
async function runTwice(load: UnaryLoad, { body, log }: LoadFiles): Promise<readonly [H2loadReport, H2loadReport]> {
  const { port, seconds, connections, streams } = load;
  const run = async (calls: number, ...options: readonly string[]): Promise<H2loadReport> => {
    const shape = ["-n", String(calls), "-c", String(connections), "-m", String(streams), "-d", body];
    const fields = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
    const url = `http://127.0.0.1:${port}${GRPC_PATH}`;
    const args = [...shape, ...fields, ...options, url];
    return parseH2loadReport(await runToEnd("h2load", args, (seconds + 60) * 1000));
  };
  const pilot = await run(PILOT_CALLS);
  const calls = Math.max(PILOT_CALLS, Math.round((pilot.done / pilot.seconds) * (seconds - pilot.seconds)));
  return [pilot, await run(calls, `--log-file=${log}`)];
}

/** Reads h2load's text; throws where it is not one of h2load's. */
export function parseH2loadReport(output: string): H2loadReport {
  const [, time, unit] = /^finished in ([\d.]+)(us|ms|s),/m.exec(output) ?? [];
  const [, total, done] = /^requests: (\d+) total, \d+ started, (\d+) done/m.exec(output) ?? [];
  const [, with2xx] = /^status codes: (\d+) 2xx/m.exec(output) ?? [];
  const [, dataBytes] = /\((\d+)\) data$/m.exec(output) ?? [];
  if (time === undefined || total === undefined)
    throw new Error(`h2load gave no figures: ${output.trim().slice(-500)}`);
  if (total !== done) throw new Error(`h2load completed ${done} of ${total} calls`);
  const perSecond = unit === "us" ? 1_000_000 : unit === "ms" ? 1000 : 1;
  return {
    done: Number(done),
    with2xx: Number(with2xx),
    dataBytes: Number(dataBytes),
    seconds: Number(time) / perSecond,
  };
}

/** Latencies in milliseconds from h2load's log: start, status, microseconds until the response's end. */
export function parseH2loadLog(text: string): readonly number[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => Number(line.slice(line.lastIndexOf("\t") + 1)) / 1000);
}

/** An answer that consists of an error alone has no message, so the sum of all messages shows it. */
export function checkAnswers({ done, with2xx, dataBytes }: Omit<H2loadReport, "seconds">): void {
  if (with2xx !== done) throw new Error(`${done - with2xx} of ${done} calls were not answered with 200`);
  const expected = done * UNARY_MESSAGE.length;
  if (dataBytes !== expected) throw new Error(`the answers to ${done} calls have ${dataBytes} bytes, not ${expected}`);
}

import { setTimeout as delay } from "node:timers/promises";
import { runAutocannon } from "./load/autocannon.ts";
import { runUnaryLoad } from "./load/h2load.ts";
import type { LoadResult } from "./load/load-result.ts";
import { runIdleLoad, runOwnLoad } from "./load/own-load.ts";
import { runWrk } from "./load/wrk.ts";
import type { StartedPath } from "./paths/path.ts";
import { readMemory } from "./processes/process-stats.ts";
import { type PathWorkload, REQUESTS, type WorkloadTarget, type WorkloadUnit } from "./workload.ts";

const GIGABYTES: WorkloadUnit = { costLabel: "CPU ms/GB", costCount: 1, rateLabel: "MB/s", rateFactor: 1024 };
const HANDSHAKES: WorkloadUnit = { ...REQUESTS, costLabel: "CPU ms/1,000 handshakes", rateLabel: "handshakes/s" };
const CONNECTIONS: WorkloadUnit = { ...REQUESTS, costLabel: "CPU ms/1,000 connections", rateLabel: "opened/s" };

const CALLS: WorkloadUnit = { ...REQUESTS, costLabel: "CPU ms/1,000 calls", rateLabel: "calls/s" };

const HOST = "127.0.0.1";
const SLOW_BYTES_PER_SECOND = 20 * 1024 ** 2;
const IDLE_CONNECTIONS = 1000;
const SETTLE_MS = 3000;

const HTTP1 = { application: "http/1.1" } as const;
const GRPC = { application: "h2", program: "h2load" } as const;
/** HTTP/2 on the hop, or none of HTTP, changes nothing of what these loads are about. */
const ONE_OF_EACH = {
  leavesOut: ["entente-stream", "entente-http1", "entente-http2", "envoy-stream", "envoy-http2", "haproxy-http2"],
} as const;
const NO_PEER_STREAM = { leavesOut: ["envoy-stream"] } as const;
const NO_PEER_STREAM_OR_HTTP2 = { leavesOut: ["envoy-stream", "haproxy-http2"] } as const;

/** In the order of the report. */
export const PATH_WORKLOADS: readonly PathWorkload[] = [
  {
    name: "small-get",
    title: "Small GET, keep-alive, 32 connections, as many as go through",
    unit: REQUESTS,
    ...HTTP1,
    run: (target) => runKeepAlive(target, { file: "/small", connections: 32 }),
  },
  {
    name: "small-get-256",
    title: "The same over 256 connections",
    unit: REQUESTS,
    ...HTTP1,
    leavesOut: ["entente-stream", "http-proxy", "envoy-stream"],
    run: (target) => runKeepAlive(target, { file: "/small", connections: 256 }),
  },
  {
    name: "rate-1k",
    title: "1,000 requests/s of 1 KB at fixed times, 16 connections",
    unit: REQUESTS,
    ...HTTP1,
    ...NO_PEER_STREAM,
    run: ({ path, seconds, isWarmUp }) =>
      runOwnLoad({
        kind: "paced",
        host: HOST,
        port: path.port,
        file: "/1k",
        seconds,
        // Node has not compiled everything that is hot before some thousand requests.
        rate: isWarmUp ? 4000 : 1000,
        connections: 16,
      }),
  },
  {
    name: "mixed",
    title: "500 requests/s of 1 KB beside 60 of 1 MB at fixed times; latencies are those of 1 KB",
    unit: REQUESTS,
    ...HTTP1,
    leavesOut: ["http-proxy", "envoy-stream"],
    run: ({ path, seconds }) =>
      runOwnLoad({
        ...{ kind: "mixed", host: HOST, port: path.port, seconds },
        small: { file: "/1k", rate: 500, connections: 16 },
        large: { file: "/1m", rate: 60, connections: 8 },
      }),
  },
  {
    name: "fresh",
    title: "One connection a request, 32 at a time",
    unit: REQUESTS,
    ...HTTP1,
    ...NO_PEER_STREAM_OR_HTTP2,
    run: ({ path, seconds }) =>
      runOwnLoad({ kind: "fresh", host: HOST, port: path.port, file: "/small", seconds, concurrency: 32 }),
  },
  {
    name: "download-1m",
    title: "Responses of 1 MB, keep-alive, 8 connections",
    unit: REQUESTS,
    ...HTTP1,
    ...NO_PEER_STREAM,
    run: (target) => runKeepAlive(target, { file: "/1m", connections: 8 }),
  },
  {
    name: "upload-1m",
    title: "Requests of 1 MB, keep-alive, 8 connections",
    unit: REQUESTS,
    ...HTTP1,
    ...NO_PEER_STREAM_OR_HTTP2,
    run: (target) => runKeepAlive(target, { file: "/small", connections: 8, isUpload: true }),
  },
  {
    name: "stream-1g",
    title: "One response of 1 GB",
    unit: GIGABYTES,
    ...HTTP1,
    leavesOut: ["entente-http1", "entente-http2", "haproxy-http2"],
    run: ({ path, seconds }) =>
      runOwnLoad({ kind: "stream", host: HOST, port: path.port, file: "/1g", seconds, bytesPerSecond: undefined }),
  },
  {
    name: "slow-reader",
    title: "A response of 1 GB to a client that reads 20 MB/s",
    unit: GIGABYTES,
    ...HTTP1,
    leavesOut: [
      "entente-http1",
      "entente-http2",
      "http-proxy",
      "envoy-stream",
      "envoy-http2",
      "haproxy-http2",
      "nginx",
    ],
    startsAfresh: true,
    run: ({ path, seconds }) =>
      runOwnLoad({
        kind: "stream",
        host: HOST,
        port: path.port,
        file: "/1g",
        seconds,
        bytesPerSecond: SLOW_BYTES_PER_SECOND,
      }),
  },
  {
    name: "idle-1000",
    title: "1,000 idle mutual TLS connections to the server's side",
    unit: CONNECTIONS,
    ...HTTP1,
    ...ONE_OF_EACH,
    needsMesh: true,
    startsAfresh: true,
    run: holdIdle,
  },
  {
    name: "handshakes",
    title: "Full handshakes with the server's side, 8 at a time, one request each",
    unit: HANDSHAKES,
    ...HTTP1,
    ...ONE_OF_EACH,
    needsMesh: true,
    run: ({ path, seconds, certificates }) =>
      runOwnLoad({
        kind: "handshakes",
        host: HOST,
        port: meshPortOf(path),
        file: "/small",
        seconds,
        concurrency: 8,
        certificates,
      }),
  },
  {
    name: "grpc-32",
    title: "gRPC unary, 32 in flight on one connection",
    unit: CALLS,
    ...GRPC,
    run: ({ path, seconds }) => runUnaryLoad({ port: path.port, seconds, connections: 1, streams: 32 }),
  },
  {
    name: "grpc-256",
    title: "gRPC unary, 256 in flight on 4 connections",
    unit: CALLS,
    ...GRPC,
    run: ({ path, seconds }) => runUnaryLoad({ port: path.port, seconds, connections: 4, streams: 64 }),
  },
  {
    name: "grpc-stream",
    title: "gRPC server streams of 64 MB in messages of 4 KB, one after the other",
    unit: GIGABYTES,
    application: "h2",
    run: ({ path, seconds }) => runOwnLoad({ kind: "server streams", host: HOST, port: path.port, seconds }),
  },
];

interface KeepAlive {
  readonly file: string;
  readonly connections: number;
  readonly isUpload?: boolean;
}

function runKeepAlive({ path, seconds, hasWrk }: WorkloadTarget, options: KeepAlive): Promise<LoadResult> {
  const { file, connections, isUpload = false } = options;
  const load = { url: `http://${HOST}:${path.port}${file}`, seconds, connections, isUpload };
  return hasWrk ? runWrk(load) : runAutocannon(load);
}

/** Memory is read before the first connection and once all have been silent for a while. */
async function holdIdle({ path, certificates, isWarmUp }: WorkloadTarget): Promise<LoadResult> {
  const connections = isWarmUp ? IDLE_CONNECTIONS / 10 : IDLE_CONNECTIONS;
  const privateMb = (): number => path.proxies.reduce((sum, { pid }) => sum + readMemory(pid).privateMb, 0);
  const job = { kind: "idle", host: HOST, port: meshPortOf(path), file: "/small", seconds: 0 } as const;
  const beforeMb = privateMb();
  let addedPrivateMb = 0;
  const load = await runIdleLoad({ ...job, connections, certificates }, async () => {
    await delay(SETTLE_MS);
    addedPrivateMb = privateMb() - beforeMb;
  });
  return { ...load, addedPrivateMb };
}

function meshPortOf(path: StartedPath): number {
  if (path.meshPort === undefined) throw new Error("this path has no mesh hop");
  return path.meshPort;
}

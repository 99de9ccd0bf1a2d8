/** For tests: runs clients in one pod, and returns what the application in the other pod and both sidecars recorded. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { request } from "undici";
import { expect, vi } from "vitest";
import { type ExposedSample, parseExposition } from "../../net/metrics/exposition-fixture.ts";
import type { ConnectionView } from "../../proxy/admin/connections-view.ts";
import type { LocalPod } from "../pods/local-pod.ts";
import { createTestFolder, findPod } from "../test-cluster-fixture.ts";
import type { Received } from "./http-app-fixture.ts";
import { CLIENT_ID, MANIFESTS } from "./manifests-fixture.ts";
import { originOf, PORTS } from "./ports-fixture.ts";
import type { Mail } from "./smtp-app-fixture.ts";

/** How many requests or streams the client's sidecar sent, and the server's sidecar received over mutual TLS. */
export interface TrafficCounts {
  readonly sent: number;
  readonly received: number;
}

/** What the sidecars recorded during an action. */
export interface Hop<Result> {
  readonly result: Result;
  readonly requests: TrafficCounts;
  readonly streams: TrafficCounts;
}

interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

export interface ClientMesh {
  readonly client: LocalPod;
  readonly server: LocalPod;
  /** Runs a command in the client's pod, checks that it succeeds, and returns its output. */
  run(command: readonly string[]): Promise<Printed>;
  /** Runs a program of this folder in the client's pod, and returns the JSON that it prints. */
  runProgram<Report>(file: string, job: unknown): Promise<Report>;
  /** Runs an action, waits until none of its connections is open, and returns what the sidecars recorded. */
  watch<Result>(act: () => Promise<Result>): Promise<Hop<Result>>;
  /** What the server's application received under a path. */
  receivedAt(path: string): readonly Received[];
  /** The mails that it received. */
  mails(): readonly string[];
  stop(): Promise<void>;
}

const SERVER_PROGRAM = fileURLToPath(new URL("./server-program-fixture.ts", import.meta.url));
/** Below the tests' own limit. A load on a busy machine may need most of it: one that is killed leaves requests behind. */
const EXEC_TIMEOUT_MS = 100_000;

export async function startClientMesh(): Promise<ClientMesh> {
  const folder = createTestFolder();
  folder.write(MANIFESTS);
  const cluster = await folder.start({ images: { "test/clients": SERVER_PROGRAM } });
  const client = findPod(cluster, "client");
  const server = findPod(cluster, "server");
  return {
    client,
    server,
    run: (command) => runIn(client, command),
    runProgram: (file, job) => runProgramIn(client, file, job),
    watch: (act) => watch({ client, server }, act),
    receivedAt: (path) =>
      readReceived(server).flatMap((entry) => ("path" in entry && entry.path === path ? [entry] : [])),
    mails: () => readReceived(server).flatMap((entry) => ("mail" in entry ? [entry.mail] : [])),
    stop: async () => {
      await cluster.stop();
      folder.remove();
    },
  };
}

/** Waits until the client's sidecar knows the server: a pod is ready before sidecars receive its address. */
export async function untilServerIsKnown({ run }: ClientMesh): Promise<void> {
  const urls = [PORTS.http, PORTS.unnamed].map((port) => `${originOf(port)}/whole/first`);
  const callAll = () => run(["curl", "--silent", "--fail", "--fail-early", "--max-time", "10", ...urls]);
  await vi.waitFor(callAll, { interval: 20, timeout: 60_000 });
}

async function runIn(pod: LocalPod, command: readonly string[]): Promise<Printed> {
  const { status, stdout, stderr } = await pod.exec(command, { timeoutMs: EXEC_TIMEOUT_MS });
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${stderr}\n${stdout}`);
  return { stdout, stderr };
}

/** Runs a program of this folder in a pod, and returns the JSON that it prints. */
export async function runProgramIn<Report>(pod: LocalPod, file: string, job: unknown = {}): Promise<Report> {
  const path = new URL(file, import.meta.url).pathname;
  return JSON.parse((await runIn(pod, [process.execPath, path, JSON.stringify(job)])).stdout);
}

interface Pods {
  readonly client: LocalPod;
  readonly server: LocalPod;
}

async function watch<Result>(pods: Pods, act: () => Promise<Result>): Promise<Hop<Result>> {
  const before = await count(pods);
  const result = await act();
  await vi.waitFor(async () => expect(await readOpen(pods)).toEqual(NOTHING_OPEN), { interval: 20, timeout: 45_000 });
  const after = await count(pods);
  expect(after.unproved).toBe(0);
  return {
    result,
    requests: difference(after.requests, before.requests),
    streams: difference(after.streams, before.streams),
  };
}

const NOTHING_OPEN = { ofApplications: [], withoutMutualTls: [], unpaired: 0, pending: 0 };

/**
 * The open connections without those that the sidecars keep between themselves for later requests: these use mutual
 * TLS, and both sides have the same number.
 */
async function readOpen({ client, server }: Pods): Promise<typeof NOTHING_OPEN> {
  const [outbound, inbound, samples] = await Promise.all([
    readConnections(client),
    readConnections(server),
    readSamples(server),
  ]);
  const kept = outbound.filter((connection) => connection.client === "http pool");
  return {
    ofApplications: outbound.filter((connection) => connection.client !== "http pool") as never[],
    withoutMutualTls: [...kept, ...inbound].filter((connection) => connection.mutual_tls === null) as never[],
    unpaired: inbound.length - kept.length,
    pending: sum(samples, "entente_pending_handshakes", {}),
  };
}

/** A pod's currently open connections. */
export async function readConnections(pod: LocalPod): Promise<readonly ConnectionView[]> {
  const { stdout } = await pod.exec(["curl", "--silent", "--max-time", "30", "http://127.0.0.1:15000/connections"]);
  return JSON.parse(stdout).connections;
}

async function count({ client, server }: Pods) {
  const [source, destination] = await Promise.all([readSamples(client), readSamples(server)]);
  const proved = { connection_security_policy: "mutual_tls", source_principal: CLIENT_ID };
  const tally = (name: string): TrafficCounts => ({
    sent: sum(source, name, { reporter: "source" }),
    received: sum(destination, name, { reporter: "destination", ...proved }),
  });
  const requests = tally("istio_requests_total");
  const streams = tally("istio_tcp_connections_opened_total");
  const all = ["istio_requests_total", "istio_tcp_connections_opened_total"].map((name) => sum(destination, name, {}));
  return {
    requests,
    streams,
    unproved: all.reduce((one, other) => one + other) - requests.received - streams.received,
  };
}

/** Requested from the node, like Prometheus: this process is in its network. The connection is closed afterwards. */
async function readSamples(pod: LocalPod): Promise<readonly ExposedSample[]> {
  const { body } = await request(`http://${pod.ip}:15020/stats/prometheus`, { reset: true });
  return parseExposition(await body.text());
}

function sum(samples: readonly ExposedSample[], name: string, labels: Readonly<Record<string, string>>): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((total, { value }) => total + value, 0);
}

function difference(after: TrafficCounts, before: TrafficCounts): TrafficCounts {
  return { sent: after.sent - before.sent, received: after.received - before.received };
}

function readReceived(server: LocalPod): readonly (Received | Mail)[] {
  const lines = readFileSync(server.logFile("app"), "utf8").split("\n");
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

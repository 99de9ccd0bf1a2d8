/** Clients of the proxy's mesh port. Its argument is a `ClientsJob`. They trust the bench: its own proxy. */
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { formatRequest, meshTlsOptions } from "../load/connect-mesh.ts";
import { ResponseReader } from "../load/response-reader.ts";
import { machineMs } from "../scale/messages.ts";
import type { ClientsJob, FromClients, ToClients } from "./messages.ts";

const AT_ONCE = 64;
const PAUSE_MS = 20;
const TIMEOUT_MS = 20_000;

const job: ClientsJob = JSON.parse(process.argv[2] ?? "{}");
const certificates = job.certificates.map(meshTlsOptions);
let latencies: number[] = [];
let failures: string[] = [];

if (job.role === "idle") await holdIdle();
else await ask();

/** Reports when all are open, and when the last of them was closed. */
async function holdIdle(): Promise<void> {
  let left = job.connections;
  let open = 0;
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const socket = connectAs(left);
      const failure = await exchange(socket, false);
      if (failure !== undefined) failures.push(failure);
      else {
        open += 1;
        socket.once("close", () => {
          open -= 1;
          if (open === 0) send({ kind: "closed", lastMs: machineMs() });
        });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  send({ kind: "open", count: open, failures: failures.length });
}

/** Half of the clients keep their connections, the others open one for each request. */
async function ask(): Promise<void> {
  process.on("message", ({ kind }: ToClients) => {
    if (kind === "report") report();
  });
  const askOn = async (client: number): Promise<never> => {
    const isKept = client % 2 === 0;
    let socket = connectAs(client);
    for (;;) {
      const startedMs = performance.now();
      const failure = await exchange(socket, !isKept);
      if (failure === undefined) latencies.push(performance.now() - startedMs);
      else failures.push(failure);
      await sleep(PAUSE_MS);
      if (!isKept || socket.destroyed) {
        socket.destroy();
        socket = connectAs(client);
      }
    }
  };
  send({ kind: "open", count: job.connections, failures: 0 });
  await Promise.all(Array.from({ length: job.connections }, (_, client) => askOn(client)));
}

function report(): void {
  const sorted = latencies.toSorted((one, other) => one - other);
  const p50Ms = sorted[Math.floor(sorted.length / 2)] ?? 0;
  send({ kind: "report", requests: sorted.length, failures, p50Ms, slowestMs: sorted.at(-1) ?? 0 });
  latencies = [];
  failures = [];
}

function connectAs(client: number): TLSSocket {
  const tls: ConnectionOptions = certificates[client % certificates.length] ?? {};
  const socket = connect({ ...tls, host: "127.0.0.1", port: job.port });
  socket.on("error", () => undefined);
  return socket;
}

/** `undefined`: a whole response with status 200 came. */
async function exchange(socket: TLSSocket, isLast: boolean): Promise<string | undefined> {
  const reader = new ResponseReader();
  const ended = new AbortController();
  const outcome = new Promise<string | undefined>((resolve) => {
    const finish = (failure: string | undefined): void => {
      ended.abort();
      resolve(failure);
    };
    const timer = setTimeout(() => finish(`no response within ${TIMEOUT_MS} ms`), TIMEOUT_MS);
    const onData = (chunk: Buffer): void => {
      const [response] = reader.push(chunk);
      if (response !== undefined) finish(response.status === 200 ? undefined : `status ${response.status}`);
    };
    const onClose = (): void => finish("closed without a response");
    socket.on("data", onData);
    socket.once("close", onClose);
    ended.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      socket.off("data", onData);
      socket.off("close", onClose);
    });
  });
  socket.write(formatRequest("/small", isLast));
  return await outcome;
}

function send(message: FromClients): void {
  process.send?.(message);
}

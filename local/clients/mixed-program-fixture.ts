/**
 * For tests: a mixed load in the client's pod. Checks every response, and prints the number of correct ones as JSON.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Agent, type IncomingMessage, type RequestOptions, request } from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Echo } from "./http-app-fixture.ts";
import { type MixedJob, type MixedReport, TURNS, type Turn } from "./mixed-load-fixture.ts";

const BODY = "0123456789abcdef".repeat(2000);
const CHUNKS = 4;
const STALLED_MS = 60_000;

const job: MixedJob = JSON.parse(process.argv[2] ?? "{}");
const agent = new Agent({ keepAlive: true });
const right = Object.fromEntries([...TURNS, "slow"].map((turn) => [turn, 0])) as Record<Turn | "slow", number>;
const wrong: string[] = [];

const turns = Array.from({ length: job.turns * TURNS.length }, (_, index) => index).values();
const others = Promise.all(Array.from({ length: job.atOnce }, takeTurns));
await Promise.all(Array.from({ length: job.slowReaders }, (_, index) => note("slow", () => readSlowly(index))));
agent.destroy();
process.stdout.write(JSON.stringify({ right, wrong } satisfies MixedReport));

async function takeTurns(): Promise<void> {
  for (const index of turns) {
    const turn = TURNS[index % TURNS.length] ?? "get";
    await note(turn, () => take(turn, index));
  }
}

/** A request that stalls must be named: the program would only be killed. Slow readers wait for all others. */
async function note(turn: Turn | "slow", send: () => Promise<void>): Promise<void> {
  try {
    await (turn === "slow" ? send() : Promise.race([send(), stall()]));
    right[turn] += 1;
  } catch (error) {
    wrong.push(`${turn}: ${error}`);
  }
}

async function stall(): Promise<never> {
  await sleep(STALLED_MS, undefined, { ref: false });
  throw new Error(`no end within ${STALLED_MS} ms`);
}

function take(turn: Turn, index: number): Promise<void> {
  switch (turn) {
    case "get":
      return check("GET", `/whole/${index}`);
    case "post":
      return check("POST", `/whole/${index}`, { headers: { "content-length": BODY.length } });
    case "head":
      return checkHead(`/whole/${index}`);
    case "chunked post":
      return check("POST", `/whole/${index}`);
    case "chunked response":
      return check("GET", `/chunked/${index}`);
    case "closing response":
      return check("GET", `/closing/${index}`);
    case "get on its own connection":
      return check("GET", `/whole/${index}`, { agent: false });
    case "post on its own connection":
      return check("POST", `/whole/${index}`, { agent: false });
    case "aborted in a long response":
      return abort(`/large/${index}`, (socket) => socket.destroy());
    case "aborted in a response that stalls":
      return abort(`/unfinished/${index}`, (socket) => socket.resetAndDestroy());
  }
}

/** The response's head. A POST's body is chunked unless its length is among the headers. */
async function send(method: string, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
  const asking = request(`${job.origin}${path}`, { agent, method, ...options });
  const responded = once(asking, "response");
  if (method === "POST") {
    const size = BODY.length / CHUNKS;
    for (let at = 0; at < BODY.length; at += size) asking.write(BODY.slice(at, at + size));
  }
  asking.end();
  const [response]: IncomingMessage[] = await responded;
  if (response?.statusCode !== 200) throw new Error(`${response?.statusCode} for ${path}`);
  return response;
}

/** The response describes the request. */
async function check(method: "GET" | "POST", path: string, options?: RequestOptions): Promise<void> {
  const body = method === "POST" ? BODY : "";
  const sha256 = createHash("sha256").update(body).digest("hex");
  const expected: Echo = { method, path, version: "1.1", bytes: body.length, sha256 };
  const actual = await text(await send(method, path, options));
  if (actual.trimEnd() !== JSON.stringify(expected)) throw new Error(`${actual} for ${path}`);
}

async function checkHead(path: string): Promise<void> {
  const response = await send("HEAD", path);
  if ((await text(response)) !== "") throw new Error(`content for HEAD ${path}`);
}

async function abort(path: string, cut: (socket: Socket) => void): Promise<void> {
  const response = await send("GET", path);
  const { socket } = response;
  await once(response, "data");
  response.on("error", () => undefined);
  cut(socket);
  await once(socket, "close");
}

async function readSlowly(index: number): Promise<void> {
  const response = await send("GET", `/huge/${index}`);
  await others;
  const { length } = await text(response);
  if (String(length) !== response.headers["content-length"]) throw new Error(`${length} bytes`);
}

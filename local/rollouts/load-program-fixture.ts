/**
 * For tests: sends requests from inside a pod until a file exists, and prints what came of them as JSON. Half of its
 * clients keep their connections, the others open one for each request.
 */
import { existsSync } from "node:fs";
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { LoadJob, LoadReport } from "./load-fixture.ts";

const job: LoadJob = JSON.parse(process.argv[2] ?? "{}");
/** For a request that hangs: on a busy machine one may take many seconds. */
const LIMIT_MS = 30_000;
const agents = [new Agent({ keepAlive: true, maxSockets: 8 }), new Agent({ keepAlive: false })];
const failures: string[] = [];
const startedMs = Date.now();
let succeeded = 0;
let slowestMs = 0;

await Promise.all(Array.from({ length: job.clients }, (_, index) => runClient(index)));
for (const agent of agents) agent.destroy();
process.stdout.write(JSON.stringify({ succeeded, slowestMs, failures } satisfies LoadReport));

async function runClient(index: number): Promise<void> {
  for (let turn = 0; !existsSync(job.stopFile); turn += 1) {
    const method = job.methods[turn % job.methods.length] ?? "GET";
    const sentMs = performance.now();
    try {
      await send(method, agents[index % agents.length]);
      succeeded += 1;
      slowestMs = Math.max(slowestMs, Math.round(performance.now() - sentMs));
    } catch (error) {
      failures.push(`${Date.now() - startedMs} ms, client ${index}: ${method} ${error}`);
    }
    await sleep(job.pauseMs);
  }
}

function send(method: string, agent: Agent | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(job.host === "" ? {} : { host: job.host }),
      ...(method === "POST" ? { "content-length": "4" } : {}),
    };
    const outgoing = request(job.url, { method, agent: agent ?? false, headers }, (response) => {
      let text = "";
      response.on("data", (piece) => {
        text += piece;
      });
      response.on("error", reject);
      response.on("end", () => {
        const isExpected = response.statusCode === 200 && text.includes(job.expected);
        if (isExpected) resolve();
        else reject(new Error(`${response.statusCode} ${text.trim()}`));
      });
    });
    outgoing.setTimeout(LIMIT_MS, () => outgoing.destroy(new Error(`no response within ${LIMIT_MS} ms`)));
    outgoing.on("error", reject);
    outgoing.end(method === "POST" ? "body" : undefined);
  });
}

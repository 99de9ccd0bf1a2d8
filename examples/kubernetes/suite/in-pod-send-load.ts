/**
 * Runs in a pod: sends requests until its input ends, some on kept connections and some on a new connection each, and
 * then prints how many succeeded and how the others failed.
 */
import { Agent, request } from "node:http";

interface Job {
  readonly url: string;
  readonly headers?: Record<string, string>;
  /** Senders with a kept connection each. */
  readonly kept: number;
  /** Senders with a new connection for each request. */
  readonly fresh: number;
  readonly pauseMs: number;
}

const job: Job = JSON.parse(process.argv[1] ?? "");
const failures = new Map<string, number>();
let succeeded = 0;
let isOver = false;

process.stdin.resume().once("end", () => {
  isOver = true;
});
process.stdout.write("sending\n");
await Promise.all([
  ...Array.from({ length: job.kept }, () => sendAll(new Agent({ keepAlive: true, maxSockets: 1 }), "kept")),
  ...Array.from({ length: job.fresh }, () => sendAll(new Agent({ keepAlive: false }), "fresh")),
]);
process.stdout.write(`${JSON.stringify({ succeeded, failures: Object.fromEntries(failures) })}\n`);
process.exit(0);

async function sendAll(agent: Agent, kind: string): Promise<void> {
  while (!isOver) {
    const outcome = await send(agent);
    if (outcome === "200") succeeded += 1;
    else {
      const key = `${kind} ${outcome}`;
      failures.set(key, (failures.get(key) ?? 0) + 1);
    }
    await new Promise((resolve) => setTimeout(resolve, job.pauseMs));
  }
}

function send(agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(job.url, { agent, headers: job.headers ?? {}, timeout: 15_000 });
    sent.once("timeout", () => sent.destroy(new Error("timeout")));
    sent.once("error", (error: NodeJS.ErrnoException) => resolve(`error ${error.code ?? error.message}`));
    sent.once("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.once("error", (error) => resolve(`cut ${error.message}`));
      response.once("end", () =>
        resolve(response.statusCode === 200 ? "200" : `${response.statusCode} ${body.trim()}`),
      );
    });
    sent.end();
  });
}

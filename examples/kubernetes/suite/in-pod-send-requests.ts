/** Runs in a pod: sends requests one after the other, and prints what came back as a line of JSON each. */
import { request } from "node:http";

interface Job {
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly method?: string;
  readonly count?: number;
}

const job: Job = JSON.parse(process.argv[1] ?? "");

for (let index = 0; index < (job.count ?? 1); index += 1) process.stdout.write(`${JSON.stringify(await send())}\n`);

function send(): Promise<unknown> {
  return new Promise((resolve) => {
    const sent = request(job.url, { method: job.method ?? "GET", headers: job.headers ?? {}, timeout: 10_000 });
    sent.once("timeout", () => sent.destroy(new Error("timeout")));
    sent.once("error", (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    sent.once("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.once("error", (error) => resolve({ error: error.message }));
      response.once("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, body: body.trim() }),
      );
    });
    sent.end();
  });
}

/** For tests: undici in the client's pod. Prints what it got as JSON. */
import diagnostics from "node:diagnostics_channel";
import { Agent, Client, type Dispatcher, fetch, request } from "undici";
import type { Echo } from "./http-app-fixture.ts";

export interface UndiciJob {
  /** `pipelined`: all at once on one connection; `in turn`: on one, too; `parallel`: each on its own. */
  readonly how: "fetch" | "in turn" | "pipelined" | "parallel";
  readonly origin: string;
  readonly paths: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface UndiciReport {
  readonly connections: number;
  readonly answers: readonly { readonly status: number; readonly echo: Echo }[];
}

type Answer = UndiciReport["answers"][number];

const job: UndiciJob = JSON.parse(process.argv[2] ?? "{}");
let connections = 0;
diagnostics.subscribe("undici:client:connected", () => {
  connections += 1;
});
const answers = await run(job);
process.stdout.write(JSON.stringify({ connections, answers } satisfies UndiciReport));

async function run({ how, origin, paths, headers, body }: UndiciJob): Promise<readonly Answer[]> {
  if (how === "fetch") return await inTurn(paths, (path) => fetchOne(`${origin}${path}`, { headers, body }));
  const dispatcher = how === "parallel" ? new Agent() : new Client(origin, { pipelining: paths.length });
  const ask = (path: string) => requestOne(`${origin}${path}`, { dispatcher, headers, ...contentOf(body) });
  const answers = how === "in turn" ? await inTurn(paths, ask) : await Promise.all(paths.map(ask));
  await dispatcher.close();
  return answers;
}

/** GET without content: undici sends nothing behind a request with content before that was answered. */
function contentOf(body: string): { readonly method: "GET" } | { readonly method: "POST"; readonly body: string } {
  return body === "" ? { method: "GET" } : { method: "POST", body };
}

async function inTurn(paths: readonly string[], ask: (path: string) => Promise<Answer>): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const path of paths) answers.push(await ask(path));
  return answers;
}

async function fetchOne(url: string, { headers, body }: Pick<UndiciJob, "headers" | "body">): Promise<Answer> {
  const response = await fetch(url, { headers: { ...headers }, ...contentOf(body) });
  return { status: response.status, echo: JSON.parse(await response.text()) };
}

async function requestOne(
  url: string,
  options: Parameters<typeof request>[1] & { dispatcher: Dispatcher },
): Promise<Answer> {
  const { statusCode, body } = await request(url, options);
  return { status: statusCode, echo: JSON.parse(await body.text()) };
}

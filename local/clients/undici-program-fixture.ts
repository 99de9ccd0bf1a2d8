/** For tests: undici in the client's pod. Prints its results as JSON. */
import diagnostics from "node:diagnostics_channel";
import { Agent, Client, type Dispatcher, fetch, request } from "undici";
import type { Echo } from "./http-app-fixture.ts";

export interface UndiciJob {
  /** `pipelined`: concurrently on one connection; `in turn`: sequentially on one; `parallel`: each on its own. */
  readonly how: "fetch" | "in turn" | "pipelined" | "parallel";
  readonly origin: string;
  readonly paths: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface UndiciReport {
  readonly connections: number;
  readonly responses: readonly { readonly status: number; readonly echo: Echo }[];
}

type UndiciResponse = UndiciReport["responses"][number];

const job: UndiciJob = JSON.parse(process.argv[2] ?? "{}");
let connections = 0;
diagnostics.subscribe("undici:client:connected", () => {
  connections += 1;
});
const responses = await run(job);
process.stdout.write(JSON.stringify({ connections, responses } satisfies UndiciReport));

async function run({ how, origin, paths, headers, body }: UndiciJob): Promise<readonly UndiciResponse[]> {
  if (how === "fetch") return await inTurn(paths, (path) => fetchOne(`${origin}${path}`, { headers, body }));
  const dispatcher = how === "parallel" ? new Agent() : new Client(origin, { pipelining: paths.length });
  const send = (path: string) => requestOne(`${origin}${path}`, { dispatcher, headers, ...contentOf(body) });
  const responses = how === "in turn" ? await inTurn(paths, send) : await Promise.all(paths.map(send));
  await dispatcher.close();
  return responses;
}

/** GET without content: after a request with content, undici waits for its response before it sends the next one. */
function contentOf(body: string): { readonly method: "GET" } | { readonly method: "POST"; readonly body: string } {
  return body === "" ? { method: "GET" } : { method: "POST", body };
}

async function inTurn(
  paths: readonly string[],
  send: (path: string) => Promise<UndiciResponse>,
): Promise<readonly UndiciResponse[]> {
  const responses: UndiciResponse[] = [];
  for (const path of paths) responses.push(await send(path));
  return responses;
}

async function fetchOne(url: string, { headers, body }: Pick<UndiciJob, "headers" | "body">): Promise<UndiciResponse> {
  const response = await fetch(url, { headers: { ...headers }, ...contentOf(body) });
  return { status: response.status, echo: JSON.parse(await response.text()) };
}

async function requestOne(
  url: string,
  options: Parameters<typeof request>[1] & { dispatcher: Dispatcher },
): Promise<UndiciResponse> {
  const { statusCode, body } = await request(url, options);
  return { status: statusCode, echo: JSON.parse(await body.text()) };
}

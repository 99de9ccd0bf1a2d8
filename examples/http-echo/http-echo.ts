import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";

/** The environment of `wardviaene/http-echo`. */
export interface EchoSettings {
  /** What to say. */
  readonly TEXT?: string | undefined;
  /** `host:port` of the next in the chain. */
  readonly NEXT?: string | undefined;
  /** Whole seconds to wait before answering. */
  readonly LATENCY?: string | undefined;
}

/** Headers that are handed on to the next, so that a trace holds together. */
const TRACE_HEADERS = [
  "x-request-id",
  "x-b3-traceid",
  "x-b3-spanid",
  "x-b3-parentspanid",
  "x-b3-sampled",
  "x-b3-flags",
  "x-ot-span-context",
] as const;

/**
 * The demo's application, with the behaviour of `wardviaene/http-echo`: says TEXT, followed by what NEXT says. Any method
 * and path will do; the next is always asked with GET /. Its status is ignored, and a failure is a text with status 200.
 */
export function createHttpEcho(settings: EchoSettings, print: (line: string) => void): Server {
  return createServer((incoming, response) => {
    void answer(incoming, settings, print).then((text) => send(response, text));
  });
}

async function answer(
  incoming: IncomingMessage,
  settings: EchoSettings,
  print: (line: string) => void,
): Promise<string> {
  const { TEXT = "", NEXT = "", LATENCY = "" } = settings;
  if (LATENCY !== "") {
    if (!/^[+-]?\d+$/.test(LATENCY)) return "Env LATENCY needs to be a number";
    await sleep(Math.max(0, Number(LATENCY)) * 1000);
  }
  if (TEXT === "") return "set env TEXT to display something";
  if (NEXT === "") return TEXT;
  const url = `http://${NEXT}/`;
  try {
    const { body } = await request(url, { headers: traceHeaders(incoming) });
    return `${TEXT} ${await body.text()}\n`;
  } catch (error) {
    print(String(error));
    return `Couldn't connect to ${url}`;
  }
}

/** The first value of each, as Go's `Header.Get` gives it. */
function traceHeaders(incoming: IncomingMessage): Record<string, string> {
  const entries = TRACE_HEADERS.flatMap((name): [string, string][] => {
    const [first] = incoming.headersDistinct[name] ?? [];
    return first === undefined || first === "" ? [] : [[name, first]];
  });
  return Object.fromEntries(entries);
}

function send(response: ServerResponse, text: string): void {
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

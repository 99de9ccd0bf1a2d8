import { Agent, type Dispatcher, request } from "undici";
import { findUrlFault, lookupRemote } from "./allowed-address.ts";

/** A document, or why there is none. Nothing of a response that is not what it should be gets further than here. */
export type FetchedDocument =
  | { readonly kind: "document"; readonly text: string }
  | { readonly kind: "failed"; readonly reason: string };

export interface FetchRequest {
  readonly url: string;
  /** Ends it, with all of its redirects. */
  readonly signal: AbortSignal;
}

/** Fetches small documents by GET. */
export interface DocumentFetcher {
  fetch(request: FetchRequest): Promise<FetchedDocument>;
  close(): Promise<void>;
}

/** Key sets of large issuers have 20 KB. */
const MAX_BYTES = 1024 * 1024;
const MAX_REDIRECTS = 3;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const CONNECT_TIMEOUT_MS = 5000;
const MAX_RESPONSE_HEAD_BYTES = 16 * 1024;

/**
 * TLS servers are verified by the system's roots. A redirect never leads from https to http. The request has no
 * credentials and no header that the configuration chooses.
 * @param allowsLocal whether servers on this machine may be asked.
 */
export function createDocumentFetcher(allowsLocal: boolean): DocumentFetcher {
  const agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(allowsLocal ? {} : { lookup: lookupRemote }) },
    maxHeaderSize: MAX_RESPONSE_HEAD_BYTES,
    // Fetched again after many minutes: the connection is not worth keeping.
    pipelining: 0,
  });
  return {
    fetch: async ({ url, signal }) => {
      try {
        return await followRedirects(url, { agent, signal, allowsLocal });
      } catch (caught) {
        return failed(describeFailure(caught, signal));
      }
    },
    close: () => agent.destroy(),
  };
}

interface FetchContext {
  readonly agent: Dispatcher;
  readonly signal: AbortSignal;
  readonly allowsLocal: boolean;
}

async function followRedirects(first: string, context: FetchContext): Promise<FetchedDocument> {
  let url = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const parsed = URL.parse(url);
    const fault = parsed === null ? "is no URL" : findUrlFault(parsed, context.allowsLocal);
    if (parsed === null || fault !== undefined) return failed(`the address ${fault}`);
    const result = await fetchOnce(parsed, context);
    if (result.kind !== "redirect") return result;
    const next = URL.parse(result.location, url);
    if (next === null) return failed("it redirects to what is no URL");
    if (parsed.protocol === "https:" && next.protocol !== "https:") return failed("it redirects from https to http");
    url = next.href;
  }
  return failed(`it redirects more than ${MAX_REDIRECTS} times`);
}

type FetchResult = FetchedDocument | { readonly kind: "redirect"; readonly location: string };

async function fetchOnce(url: URL, { agent, signal }: FetchContext): Promise<FetchResult> {
  const headers = { accept: "application/json", "user-agent": "entente" };
  const { statusCode, headers: received, body } = await request(url, { dispatcher: agent, signal, headers });
  const location = received["location"];
  if (REDIRECTS.includes(statusCode) && typeof location === "string") {
    discard(body);
    return { kind: "redirect", location };
  }
  if (statusCode !== 200) {
    discard(body);
    return failed(`the server responded with the status ${statusCode}`);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    // Leaving the loop destroys the connection.
    if (size > MAX_BYTES) return failed(`the response has more than ${MAX_BYTES} bytes`);
    chunks.push(bytes);
  }
  return { kind: "document", text: Buffer.concat(chunks, size).toString("utf8") };
}

/** Its end is reported as an error, which nothing else would handle. */
function discard(body: Dispatcher.ResponseData["body"]): void {
  body.on("error", () => undefined);
  body.destroy();
}

function failed(reason: string): FetchedDocument {
  return { kind: "failed", reason };
}

function describeFailure(caught: unknown, signal: AbortSignal): string {
  if (signal.aborted) return "it took too long";
  if (!(caught instanceof Error)) return "unexpected";
  return caught.message === "" && caught instanceof AggregateError
    ? caught.errors.map((error: unknown) => (error instanceof Error ? error.message : "")).join("; ")
    : caught.message;
}

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

/** Key sets of large issuers, and bundles of trust domains, have 20 KB. */
const MAX_BYTES = 1024 * 1024;
const MAX_REDIRECTS = 3;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const CONNECT_TIMEOUT_MS = 5000;
const MAX_RESPONSE_HEAD_BYTES = 16 * 1024;

/**
 * Which servers may be on this machine or link-local: none, the one whose address was configured but none that it
 * redirects to, or all.
 */
export type LocalServers = "none" | "configured" | "all";

/**
 * TLS servers are verified by the system's roots. A redirect never leads from https to http. The request has no
 * credentials and no header that the configuration chooses.
 */
export function createDocumentFetcher(localServers: LocalServers): DocumentFetcher {
  const agents = { local: createAgent(true), remote: createAgent(false) };
  const dialerOf = (redirects: number): Dialer => {
    const allowsLocal = localServers === "all" || (localServers === "configured" && redirects === 0);
    return { allowsLocal, agent: allowsLocal ? agents.local : agents.remote };
  };
  return {
    fetch: async ({ url, signal }) => {
      try {
        return await followRedirects(url, { dialerOf, signal });
      } catch (caught) {
        return failed(describeFailure(caught, signal));
      }
    },
    close: async () => {
      await Promise.all([agents.local.destroy(), agents.remote.destroy()]);
    },
  };
}

function createAgent(allowsLocal: boolean): Agent {
  return new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(allowsLocal ? {} : { lookup: lookupRemote }) },
    maxHeaderSize: MAX_RESPONSE_HEAD_BYTES,
    // Fetched again after many minutes: the connection is not worth keeping.
    pipelining: 0,
  });
}

interface Dialer {
  readonly agent: Dispatcher;
  readonly allowsLocal: boolean;
}

interface FetchContext {
  /** @param redirects that led there. */
  readonly dialerOf: (redirects: number) => Dialer;
  readonly signal: AbortSignal;
}

async function followRedirects(first: string, { dialerOf, signal }: FetchContext): Promise<FetchedDocument> {
  let url = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const { agent, allowsLocal } = dialerOf(redirects);
    const parsed = URL.parse(url);
    const fault = parsed === null ? "is no URL" : findUrlFault(parsed, allowsLocal);
    if (parsed === null || fault !== undefined) return failed(`the address ${fault}`);
    const result = await fetchOnce(parsed, { agent, signal });
    if (result.kind !== "redirect") return result;
    const next = URL.parse(result.location, url);
    if (next === null) return failed("it redirects to what is no URL");
    if (parsed.protocol === "https:" && next.protocol !== "https:") return failed("it redirects from https to http");
    url = next.href;
  }
  return failed(`it redirects more than ${MAX_REDIRECTS} times`);
}

type FetchResult = FetchedDocument | { readonly kind: "redirect"; readonly location: string };

async function fetchOnce(
  url: URL,
  { agent, signal }: { readonly agent: Dispatcher; readonly signal: AbortSignal },
): Promise<FetchResult> {
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

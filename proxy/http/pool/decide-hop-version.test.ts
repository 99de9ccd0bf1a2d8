import { describe, expect, it } from "vitest";
import type { UpstreamHttpVersion } from "../../../mesh/policy/types.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { decideHopVersion, MAX_SHARED_CONTENT, SHARED_FROM } from "./decide-hop-version.ts";
import { requestHead } from "./upstream-pool-fixture.ts";

const GET: RequestHead = requestHead();
const HTTP2: Partial<RequestHead> = { version: "2" };
const OLD: Partial<RequestHead> = { version: "1.0" };
const UPGRADE: Partial<RequestHead> = { upgrade: "websocket" };
const NO_HOST: Partial<RequestHead> = { authority: "" };
const body = (length: number): Partial<RequestHead> => ({ content: { kind: "length", length } });
const CHUNKS: Partial<RequestHead> = { content: { kind: "unknown", endsBy: "chunks" } };

interface Row {
  readonly name: string;
  readonly head?: Partial<RequestHead>;
  readonly wanted: UpstreamHttpVersion;
  /** Requests in progress, in the mean. @default enough to share */
  readonly parallel?: number;
  /** Of a response, in the mean. @default none */
  readonly responseBytes?: number;
  /** Between sidecars, and to an application. */
  readonly mesh: 1 | 2;
  readonly application: 1 | 2;
}

const ROWS: readonly Row[] = [
  { name: "HTTP/1.1, which is asked for", wanted: "1.1", mesh: 1, application: 1 },
  { name: "HTTP/1.1 to a server that receives the client's version", wanted: "client", mesh: 1, application: 1 },
  { name: "HTTP/1.1 where HTTP/2 is asked for", wanted: "2", parallel: 0, mesh: 2, application: 2 },
  { name: "HTTP/1.1 while others are in progress", wanted: "adaptive", mesh: 2, application: 1 },
  { name: "HTTP/1.1 while few are", wanted: "adaptive", parallel: SHARED_FROM - 1, mesh: 1, application: 1 },
  {
    name: "HTTP/1.1 with large responses",
    wanted: "adaptive",
    responseBytes: MAX_SHARED_CONTENT,
    mesh: 1,
    application: 1,
  },
  { name: "a small upload", head: body(MAX_SHARED_CONTENT - 1), wanted: "adaptive", mesh: 2, application: 1 },
  { name: "a large upload", head: body(MAX_SHARED_CONTENT), wanted: "adaptive", mesh: 1, application: 1 },
  { name: "an upload of unknown length", head: CHUNKS, wanted: "adaptive", mesh: 1, application: 1 },
  { name: "a large upload where HTTP/2 is asked for", head: body(1e9), wanted: "2", mesh: 2, application: 2 },
  { name: "HTTP/2 where nothing is said", head: HTTP2, wanted: "adaptive", parallel: 0, mesh: 2, application: 1 },
  { name: "HTTP/2 to an application of HTTP/1.1", head: HTTP2, wanted: "1.1", mesh: 2, application: 1 },
  { name: "HTTP/2 as its client spoke", head: HTTP2, wanted: "client", mesh: 2, application: 2 },
  { name: "HTTP/2", head: { ...HTTP2, ...CHUNKS }, wanted: "2", mesh: 2, application: 2 },
  { name: "HTTP/1.0, whose version the other sidecar sees", head: OLD, wanted: "2", mesh: 1, application: 2 },
  { name: "HTTP/1.0 among others", head: OLD, wanted: "adaptive", mesh: 1, application: 1 },
  { name: "an upgrade", head: UPGRADE, wanted: "2", mesh: 1, application: 1 },
  { name: "an upgrade among others", head: UPGRADE, wanted: "adaptive", mesh: 1, application: 1 },
  { name: "a request without a host", head: NO_HOST, wanted: "2", mesh: 1, application: 1 },
];

describe("the connection of a request", () => {
  it.each(ROWS)("of $name ($wanted) is HTTP/$mesh to a sidecar, HTTP/$application to an application", (row) => {
    const { head = {}, wanted, parallel = SHARED_FROM, responseBytes = 0 } = row;
    const traffic = { parallel, responseBytes };
    const decide = (mutualTls: boolean) => decideHopVersion({ ...GET, ...head }, { mutualTls, traffic }, wanted);
    expect([decide(true), decide(false)]).toEqual([`http${row.mesh}`, `http${row.application}`]);
  });
});

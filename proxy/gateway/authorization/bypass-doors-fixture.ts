/** For tests: everything that enforces policies in front of an application, and clients of both versions that attack it. */
import type { AuthorizationPolicyRules, PathNormalization } from "../../../mesh/policy/authorization/authorization.ts";
import type { TokenRule } from "../../../mesh/policy/request-authentication/token-rule.ts";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import type { LenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { dialHttp2, type FieldPairs } from "../../http/raw-http2-client-fixture.ts";
import { dataFrame } from "../../http2/frames/frame-fixture.ts";
import { JUDGED_PATHS } from "../../inbound/authorization/judged-paths-fixture.ts";
import { ROUTE_ALL, startLenientGateway } from "../gateway-fixture.ts";

export interface Enforced {
  readonly policies: readonly AuthorizationPolicyRules[];
  readonly tokenRules?: readonly TokenRule[];
  readonly pathNormalization?: PathNormalization;
}

interface OpenDoor {
  readonly port: number;
  readonly upstream: LenientUpstream;
}

export interface AttackingRequest {
  readonly method?: string;
  readonly target?: string;
  readonly authority?: string;
  readonly fields?: FieldPairs;
  /** Behind a body of one byte. */
  readonly trailers?: FieldPairs;
}

/** The status of the response, or `reset`. */
type Attack = (cleanup: Cleanup, port: number, request: AttackingRequest) => Promise<string>;

const overHttp1: Attack = async (cleanup, port, request) => {
  const { method = "GET", target = "/", authority = "shop.example", fields = [], trailers } = request;
  const linesOf = (pairs: FieldPairs): string => pairs.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const framing = trailers === undefined ? "" : "Transfer-Encoding: chunked\r\n";
  const body = trailers === undefined ? "" : `1\r\na\r\n0\r\n${linesOf(trailers)}\r\n`;
  const head = `${method} ${target} HTTP/1.1\r\nHost: ${authority}\r\n${linesOf(fields)}${framing}Connection: close\r\n\r\n`;
  const response = await sendRaw(cleanup, port, head + body);
  return /^HTTP\/1\.1 (\d+) /.exec(response)?.[1] ?? "reset";
};

const overHttp2: Attack = async (cleanup, port, request) => {
  const { method = "GET", target = "/", authority = "shop.example", fields = [], trailers } = request;
  const head: FieldPairs = [
    [":method", method],
    [":scheme", "http"],
    [":path", target],
    [":authority", authority],
    ...fields.map(([name, value]): [string, string] => [name.toLowerCase(), value]),
  ];
  const client = await dialHttp2(cleanup, port);
  client.send(client.headers(1, head, { ends: trailers === undefined }));
  if (trailers !== undefined) client.send(dataFrame(1, "a", false), client.headers(1, trailers));
  const { statuses } = await client.ended(1);
  return statuses.at(-1) ?? "reset";
};

export interface Door {
  readonly name: string;
  readonly open: (cleanup: Cleanup, enforced: Enforced) => Promise<OpenDoor>;
  readonly attack: Attack;
}

const GATEWAY: Door = {
  name: "the gateway, HTTP/1.1",
  open: (cleanup, { policies, tokenRules, pathNormalization = "BASE" }) =>
    startLenientGateway(cleanup, {
      authorization: { policies, pathNormalization },
      tokenRules,
      listeners: [{ port: 0, virtualHosts: [{ hosts: ["*"], routes: [ROUTE_ALL] }] }],
    }),
  attack: overHttp1,
};

/** Sidecars alone and in pairs, for clients of both versions, and the gateway. */
export const DOORS: readonly Door[] = [
  ...JUDGED_PATHS.flatMap(({ name, start }): readonly Door[] => [
    { name: `${name}, HTTP/1.1`, open: start, attack: overHttp1 },
    { name: `${name}, HTTP/2`, open: start, attack: overHttp2 },
  ]),
  GATEWAY,
];

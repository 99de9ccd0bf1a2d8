import type { StreamEnd, WireOutcome } from "./run-wire-case-fixture.ts";
import type { FieldPair, Reading, Verdict, WireCase } from "./wire-case-fixture.ts";

/** What an application behind the endpoint received; its response has that as JSON. Text is latin1. */
export interface EchoedRequest {
  readonly method: string;
  readonly path: string;
  /** `:authority`, or the Host field. */
  readonly authority: string;
  /** Names in lower case, without pseudo-fields and host. */
  readonly fields: readonly FieldPair[];
  readonly body: string;
}

/** Whether the application received something of what the cases try to smuggle past the endpoint. */
export function isSmuggled({ path, fields }: EchoedRequest): boolean {
  return path.includes("hidden") || fields.some(([name, value]) => name.includes("hidden") || value.includes("hidden"));
}

/** Compares what an endpoint did with what it must do. Returns the differences; none when it is strict. */
export function judgeWireCase({ verdict }: WireCase, outcome: WireOutcome): readonly string[] {
  if (verdict.kind === "connection_error") {
    return outcome.goaway === verdict.code
      ? []
      : [`no GOAWAY with code ${verdict.code}: ${describeEnd(outcome.attack)}`];
  }
  return [...judgeEnd(verdict, outcome.attack), ...judgeNeighbour(outcome)];
}

/**
 * The same for an origin's response: `outcome` is what the client received, through any number of proxies. A malformed
 * response is a reset, or the status of a bad or unavailable gateway.
 */
export function judgeResponseCase({ verdict }: WireCase, outcome: WireOutcome): readonly string[] {
  const { attack } = outcome;
  const isRight =
    verdict.kind === "accepted"
      ? attack.kind === "response" && attack.status === "200" && attack.body === verdict.reads.body
      : attack.kind === "reset" || (attack.kind === "response" && /^50[23]$/.test(attack.status));
  return [...(isRight ? [] : [`not ${verdict.kind}: ${describeEnd(attack)}`]), ...judgeNeighbour(outcome)];
}

function judgeNeighbour({ neighbour }: WireOutcome): readonly string[] {
  if (neighbour.kind === "response" && neighbour.status === "200") return [];
  return [`the request beside it was not served: ${describeEnd(neighbour)}`];
}

function judgeEnd(verdict: Exclude<Verdict, { kind: "connection_error" }>, end: StreamEnd): readonly string[] {
  switch (verdict.kind) {
    case "stream_error": {
      const isReset = end.kind === "reset" && end.code === verdict.code;
      return isReset || (end.kind === "response" && end.status === "400") ? [] : [`not refused: ${describeEnd(end)}`];
    }
    case "refused": {
      const isRefused = end.kind === "reset" || (end.kind === "response" && /^[45]\d\d$/.test(end.status));
      return isRefused ? [] : [`not refused: ${describeEnd(end)}`];
    }
    case "accepted":
      if (end.kind !== "response" || end.status !== "200") return [`not accepted: ${describeEnd(end)}`];
      return compareReading(verdict.reads, parseEchoedRequest(end.body));
  }
}

function compareReading(expected: Reading, echoed: EchoedRequest): readonly string[] {
  const keys = ["method", "path", "authority", "body"] as const;
  const wrong = keys.filter((key) => expected[key] !== undefined && expected[key] !== echoed[key]);
  const fields = Object.entries(expected.fields ?? {}).flatMap(([name, value]) => {
    const found = echoed.fields.filter(([own]) => own === name).map(([, own]) => own);
    const isRight = value === null ? found.length === 0 : found.length === 1 && found[0] === value;
    return isRight ? [] : [`${name} reads ${JSON.stringify(found)}, not ${JSON.stringify(value)}`];
  });
  return [
    ...wrong.map((key) => `${key} reads ${JSON.stringify(echoed[key])}, not ${JSON.stringify(expected[key])}`),
    ...fields,
  ];
}

export function describeEnd(end: StreamEnd): string {
  switch (end.kind) {
    case "reset":
      return `RST_STREAM with code ${end.code}`;
    case "response":
      return `status ${end.status}, ${JSON.stringify(end.body.slice(0, 200))}`;
    case "none":
      return "no end of the stream, or the connection was closed";
  }
}

/** Reads the body of an echoing application's response; throws when it is not one. */
function parseEchoedRequest(body: string): EchoedRequest {
  const value: unknown = JSON.parse(Buffer.from(body, "latin1").toString());
  if (typeof value !== "object" || value === null) throw new Error(`not an echoed request: ${body}`);
  const texts = { method: "", path: "", authority: "", body: "", ...value };
  const fields: readonly unknown[] = "fields" in value && Array.isArray(value.fields) ? value.fields : [];
  return {
    method: String(texts.method),
    path: String(texts.path),
    authority: String(texts.authority),
    body: String(texts.body),
    fields: fields.map((pair): FieldPair => {
      const [name, text]: readonly unknown[] = Array.isArray(pair) ? pair : [];
      return [String(name), String(text)];
    }),
  };
}

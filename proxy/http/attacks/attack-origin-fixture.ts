/** For tests: applications that execute whatever reaches them, and respond with what they understood. */
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type ExecutedRequest, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import type { EchoedRequest } from "../../http2/conformance/judge-wire-case-fixture.ts";
import type { FieldPair } from "../../http2/conformance/wire-case-fixture.ts";

export interface AttackOrigin {
  readonly port: number;
  /** All requests that it executed, over all connections. */
  readonly executed: readonly EchoedRequest[];
}

/** An application of HTTP/1.1 that trusts the first framing that it finds. */
export async function startHttp1Origin(cleanup: Cleanup): Promise<AttackOrigin> {
  const executed: EchoedRequest[] = [];
  const { port } = await startLenientUpstream(cleanup, (request) => {
    const echoed = readRequest(request);
    executed.push(echoed);
    const body = Buffer.from(JSON.stringify(echoed)).toString("latin1");
    const content = echoed.method === "HEAD" ? "" : body;
    return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${content}`;
  });
  return { port, executed };
}

function readRequest({ line, head, body }: ExecutedRequest): EchoedRequest {
  const [method = "", path = ""] = line.split(" ");
  const fields = head
    .split("\r\n")
    .slice(1)
    .map((field): FieldPair => {
      const colon = field.indexOf(":");
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    });
  const isChunked = fields.some(([name]) => name === "transfer-encoding");
  return {
    ...{ method, path },
    authority: fields.find(([name]) => name === "host")?.[1] ?? "",
    fields: fields.filter(([name]) => name !== "host"),
    body: isChunked ? joinChunks(body) : body,
  };
}

function joinChunks(text: string): string {
  let content = "";
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (lineEnd === -1 || !(size > 0)) return content;
    content += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}

/** For tests: a framer's output for chunks, in a form that does not depend on how they were split. */
import type { FramerEvent } from "./framer-events.ts";
import type { MessageHead } from "./message-head.ts";
import { RequestFramer } from "./request-framer.ts";
import { ResponseFramer } from "./response-framer.ts";
import type { ResponseContext } from "./scanning/scan-response-head.ts";

export interface Framed {
  /** Heads as text, content as forwarded, ends with their content's length, the fault's code. */
  readonly trace: readonly string[];
  /** Heads and bodies as they are forwarded. */
  readonly forwarded: string;
  readonly heads: readonly MessageHead[];
  readonly contents: readonly number[];
  readonly ends: number;
  readonly fault: string | undefined;
}

/** All requests in the chunks; each counts as finished as soon as it is complete. */
export function frameRequests(chunks: readonly Buffer[]): Framed {
  const framer = new RequestFramer();
  const recording = record();
  for (const chunk of chunks) {
    for (let events = framer.push(chunk); events.length > 0; events = framer.next()) recording.take(events);
  }
  return recording.result();
}

/** The responses to one request in the chunks. @param ends whether the server half-closes after them. */
export function frameResponse(chunks: readonly Buffer[], request: ResponseContext, ends: boolean): Framed {
  const framer = new ResponseFramer();
  const recording = record();
  framer.expect(request);
  for (const chunk of chunks) recording.take(framer.push(chunk));
  if (ends) recording.take(framer.end());
  return recording.result();
}

function record() {
  const trace: string[] = [];
  const heads: MessageHead[] = [];
  const contents: number[] = [];
  let body = "";
  let forwarded = "";
  let fault: string | undefined;
  const flush = (): void => {
    if (body !== "") trace.push(`body ${body}`);
    body = "";
  };
  const take = (events: readonly FramerEvent<MessageHead>[]): void => {
    for (const event of events) {
      if (event.kind === "body") {
        body += event.bytes.toString("latin1");
        forwarded += event.bytes.toString("latin1");
        continue;
      }
      flush();
      if (event.kind === "head") {
        heads.push(event.head);
        forwarded += event.head.text;
        trace.push(`head ${event.head.text}${JSON.stringify(event.head.fields)}`);
      } else if (event.kind === "end") {
        contents.push(event.bodyBytes);
        trace.push(`end ${event.bodyBytes}`);
      } else {
        fault = event.fault.code;
        trace.push(`fault ${fault}`);
      }
    }
  };
  const result = (): Framed => {
    flush();
    return { trace, forwarded, heads, contents, ends: contents.length, fault };
  };
  return { take, result };
}

/** For tests: a framer's output for chunks, in a form that does not depend on how they were split. */
import { contentOf } from "../messages/body-piece.ts";
import type { Trailers } from "../messages/fields.ts";
import type { MessageHead } from "../messages/message-head.ts";
import type { TextFields } from "../messages/text-fields.ts";
import type { FramerEvent } from "./framer-events.ts";
import { RequestFramer } from "./request-framer.ts";
import { ResponseFramer } from "./response-framer.ts";
import type { ResponseContext } from "./scanning/scan-response-head.ts";

/** The head of a framer's message. */
export interface FramedHead extends MessageHead {
  readonly fields: TextFields;
  readonly keepAlive: boolean;
}

export interface Framed {
  /** Heads as text, content as forwarded, ends with their content's length, the fault's code. */
  readonly trace: readonly string[];
  /** The content of all bodies, without framing. */
  readonly content: string;
  /** The fields of trailers. */
  readonly trailers: readonly string[];
  /** Heads and bodies as they are forwarded. */
  readonly forwarded: string;
  readonly heads: readonly FramedHead[];
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
  const heads: FramedHead[] = [];
  const contents: number[] = [];
  let body = "";
  let forwarded = "";
  let content = "";
  const trailers: string[] = [];
  let fault: string | undefined;
  const flush = (): void => {
    if (body !== "") trace.push(`body ${body}`);
    body = "";
  };
  const take = (events: readonly FramerEvent<FramedHead>[]): void => {
    for (const event of events) {
      if (event.kind === "body") {
        body += event.bytes.toString("latin1");
        forwarded += event.bytes.toString("latin1");
        content += contentOf(event)
          .map((view) => view.toString("latin1"))
          .join("");
        continue;
      }
      flush();
      if (event.kind === "head") {
        heads.push(event.head);
        const { text, offsets } = event.head.fields;
        forwarded += text;
        trace.push(`head ${text}${JSON.stringify(offsets)}`);
      } else if (event.kind === "end") {
        contents.push(event.bodyBytes);
        trace.push(`content ${content.length}`, `end ${event.bodyBytes}`);
        trailers.push(...linesOf(event.trailers));
        trace.push(`trailers ${trailers.join()}`);
      } else {
        fault = event.fault.code;
        trace.push(`fault ${fault}`);
      }
    }
  };
  const result = (): Framed => {
    flush();
    return { trace, forwarded, content, trailers, heads, contents, ends: contents.length, fault };
  };
  return { take, result };
}

function linesOf(fields: Trailers | undefined): readonly string[] {
  return Array.from({ length: fields?.count ?? 0 }, (_, at) => `${fields?.nameAt(at)}: ${fields?.valueAt(at)}`);
}

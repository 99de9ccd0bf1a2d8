import type { Http2Event } from "../../http2/connection/http2-events.ts";
import type { Http2Stream } from "../../http2/connection/http2-stream.ts";
import { abortReasonFrom } from "../../http2/conversion/abort-codes.ts";
import { requestHeadFrom } from "../../http2/conversion/request-head.ts";
import type { Http2Fields, Http2RequestHead, MalformedMessage } from "../../http2/message-head.ts";
import { FieldList } from "../../messages/field-list.ts";
import type { RequestFault } from "./downstream-options.ts";
import { Http2ClientStream, type StreamOwner } from "./http2-client-stream.ts";
import { countRefused, faultOfConnection, faultOfRejected, faultOfReset } from "./http2-faults.ts";
import type { StreamSet } from "./stream-set.ts";

type ClientStream = Http2Stream<Http2ClientStream>;

/** What a client's connection reports. */
export type ClientEvent = Http2Event<Http2RequestHead, Http2ClientStream>;

/** What an HTTP/2 client sends, and its faults. What one read brought for a stream is handed on together. */
export class Http2Input {
  readonly #owner: StreamOwner;
  readonly #streams: StreamSet<Http2ClientStream>;
  #touched: Http2ClientStream[] = [];

  /** @param streams those that are in progress; new ones are added. */
  constructor(owner: StreamOwner, streams: StreamSet<Http2ClientStream>) {
    this.#owner = owner;
    this.#streams = streams;
  }

  /** `deliver` follows the events of one read. Those of the connection's life are not handled here. */
  handle(event: ClientEvent): void {
    switch (event.kind) {
      case "head":
        this.#begin(event.stream, event.head, event.endsStream);
        break;
      case "data":
        this.#addContent(event.stream, event.bytes, event.endsStream);
        break;
      case "trailers":
        this.#addTrailers(event.stream, event.fields);
        break;
      case "reset":
        this.#endStream(event);
        break;
      case "writable":
        event.stream.context?.onWritable();
        break;
      case "rejected":
        this.#onRejected(event.fault);
        break;
      case "failed":
        this.#owner.options.onFault(faultOfConnection(event));
        break;
      case "drained":
      case "interim":
      case "settings":
      case "goaway":
        break;
    }
  }

  /** All events of one read have been added. */
  deliver(): void {
    const touched = this.#touched;
    if (touched.length === 0) return;
    this.#touched = [];
    for (const stream of touched) stream.deliver();
  }

  /** A stream that was reset later in the same read gets no exchange: nothing of it is forwarded. */
  #begin(stream: ClientStream, received: Http2RequestHead, endsStream: boolean): void {
    if (stream.life === "reset") return;
    const client = new Http2ClientStream(this.#owner, stream);
    stream.context = client;
    this.#streams.add(client);
    const converted = requestHeadFrom(received, endsStream);
    if (converted.kind === "refused") {
      this.#refuse(client, received, converted);
      return;
    }
    client.setHead(converted.head);
    this.#touch(client);
  }

  #addContent({ context, life }: ClientStream, bytes: Buffer, endsStream: boolean): void {
    if (life === "reset" || context === undefined) return;
    context.addContent(bytes);
    if (endsStream) context.addEnd(undefined);
    this.#touch(context);
  }

  #addTrailers({ context, life }: ClientStream, trailers: Http2Fields): void {
    if (life === "reset" || context === undefined) return;
    context.addEnd(new FieldList(trailers));
    this.#touch(context);
  }

  #endStream(event: Extract<ClientEvent, { kind: "reset" }>): void {
    const fault = faultOfReset(event);
    if (fault !== undefined) this.#owner.options.onFault(fault);
    const { context } = event.stream;
    if (context === undefined) this.#owner.engine.release(event.stream);
    else context.onReset(abortReasonFrom(event));
  }

  #onRejected(malformed: MalformedMessage): void {
    const fault = faultOfRejected(malformed);
    const { options } = this.#owner;
    options.onFault(fault);
    if (malformed.code !== "too_many_streams") countRefused(options, fault);
  }

  #touch(client: Http2ClientStream): void {
    if (this.#touched.at(-1) !== client) this.#touched.push(client);
  }

  #refuse(client: Http2ClientStream, received: Http2RequestHead, fault: RequestFault): void {
    const { options } = this.#owner;
    const { status, message } = fault;
    options.onFault(fault);
    countRefused(options, fault);
    const request = { method: received.method, fields: new FieldList(received) };
    client.refuse(request, { status, flags: "DPE", details: `malformed request: ${message}` });
  }
}

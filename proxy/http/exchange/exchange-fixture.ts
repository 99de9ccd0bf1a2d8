/** For tests: an exchange between a client and streams of no version. */

import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import type { ConnectionPool } from "../../../mesh/policy/types.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { asSocket, FakeSocket } from "../../connections/fake-socket-fixture.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { Content, RequestHead, ResponseHead } from "../../messages/message-head.ts";
import { createRecordingMeter } from "../../telemetry/recording-meter-fixture.ts";
import type { AccessLogEntry, RequestMeter } from "../../telemetry/request-meter.ts";
import { createHttpContext } from "../http-context.ts";
import { UpstreamPool } from "../pool/upstream-pool.ts";
import { EDITS } from "../pool/upstream-pool-fixture.ts";
import type { UpstreamConnection } from "../upstream/upstream-connection.ts";
import type { ResponseSink, UpstreamStream } from "../upstream/upstream-stream.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangeClient } from "./exchange-client.ts";
import type { ForwardPlan } from "./request-plan.ts";

const BODY: Content = { kind: "unknown", endsBy: "frames" };

export function requestOf(head: Partial<RequestHead> = {}): RequestHead {
  return {
    ...{ version: "2", method: "POST", scheme: "http", authority: "a", path: "/", upgrade: undefined, bytes: 10 },
    ...{ fields: listOf([]), content: BODY, expectsContinue: false, ...head },
  };
}

export function responseOf(status = 200, head: Partial<ResponseHead> = {}): ResponseHead {
  return {
    ...{ version: "2", status, fields: listOf([]), content: BODY, upgrade: undefined, report: undefined },
    ...head,
  };
}

export function pieceOf(text: string): BodyPiece {
  return { bytes: Buffer.from(text), ranges: undefined };
}

function trailersText(trailers: Trailers | undefined): string {
  return trailers === undefined ? "" : ` ${trailers.nameAt(0)}=${trailers.valueAt(0)}`;
}

/** A stream of no version: what the exchange does with it, and the sink of its events. */
class FakeStream implements UpstreamStream {
  readonly isReused = false;
  readonly calls: string[] = [];
  sink: ResponseSink | undefined;
  /** Of the head that was sent. */
  edits: RequestEdits | undefined;
  hasRoom = true;
  fails = false;

  cork(): void {}
  uncork(): boolean {
    return this.hasRoom;
  }
  sendHead(sink: ResponseSink, { method }: RequestHead, edits: RequestEdits): void {
    if (this.fails) throw new Error("cannot be written");
    this.sink = sink;
    this.edits = edits;
    this.calls.push(method);
  }
  sendBody({ bytes }: BodyPiece): boolean {
    this.calls.push(bytes.toString());
    return this.hasRoom;
  }
  sendEnd(trailers: Trailers | undefined): boolean {
    this.calls.push(`end${trailersText(trailers)}`);
    return true;
  }
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
  release(): void {
    this.calls.push("release");
  }
  abort({ kind }: AbortReason): void {
    this.calls.push(`abort ${kind}`);
  }
  detach(): undefined {}
}

/** A client of no version. */
class FakeClient {
  readonly calls: string[] = [];
  readonly replies: LocalReply[] = [];
  hasRoom = true;

  asClient(meter: RequestMeter): ExchangeClient {
    const say = (text: string): boolean => {
      this.calls.push(text);
      return this.hasRoom;
    };
    return {
      facts: { direction: "outbound", client: "", destination: "", peer: "", meter: () => meter },
      response: {
        bytes: 0,
        startPacket: () => undefined,
        endPacket: () => true,
        sendInterim: ({ status }) => say(`interim ${status}`),
        sendHead: ({ status }) => say(`${status}`),
        sendBody: ({ bytes }) => say(bytes.toString()),
        sendEnd: (trailers) => void say(`end${trailersText(trailers)}`),
        sendReply: (reply) => {
          this.replies.push(reply);
          say(`reply ${reply.status} ${reply.flags}`);
        },
      },
      pauseReading: () => void say("pause"),
      resumeReading: () => void say("resume"),
      exchangeOver: () => void say("over"),
      abort: ({ kind }) => void say(`abort ${kind}`),
      tunnelTo: () => undefined,
    };
  }
}

/** The upstream's side. */
export interface FakeUpstream {
  /** @default http1 */
  readonly protocol?: HttpProtocol;
  /** One or two. @default 2 */
  readonly endpoints?: number;
  /** The plan takes a turn of the microtask queue. @default false */
  readonly isPlannedLate?: boolean;
}

/** An exchange of which both sides are fakes. Each attempt takes the next stream. */
export function startExchange(
  head: Partial<RequestHead> = {},
  plan: Partial<ForwardPlan> = {},
  { protocol = "http1", endpoints: count = 2, isPlannedLate = false }: FakeUpstream = {},
) {
  const endpoints = ENDPOINTS.slice(0, count);
  const clock = new FakeClock();
  const { meter, requests: counted, calls, messages } = createRecordingMeter();
  const logged: AccessLogEntry[] = [];
  const context = createHttpContext({
    ...{
      clock,
      random: () => 0,
      log: new RecordingLogger(),
      meters: { requestMeter: () => meter, countVerdict: () => undefined },
    },
    accessLog: { write: (entry) => void logged.push(entry) },
  });
  const streams = [new FakeStream(), new FakeStream(), new FakeStream(), new FakeStream()] as const;
  let opened = 0;
  const connection = (dialed: UpstreamConnection["dialed"]): UpstreamConnection => ({
    ...{
      dialed,
      place: { isListed: false, idleSinceMs: undefined, hasEnded: false, successorUntilMs: 0 },
      capacity: 1,
      load: 0,
    },
    ...{ isIdle: false, isReusable: true, isEnding: false, isCongested: false, idleMs: 1000 },
    ...{ retire: () => undefined, checkDeadline: () => undefined },
    openStream: () => streams[opened++] ?? streams[0],
  });
  const pool = new UpstreamPool({
    ...{ deadlines: context.deadlines, random: () => 0, idleQuota: context.idleQuota, describe: () => "" },
    closing: context.drain.closing,
    ...{ endpoints: () => endpoints, settings: () => SETTINGS, messageLimits: context.messageLimits },
    connect: connection,
    dial: async () => ({
      ...{ kind: "connected", socket: asSocket(new FakeSocket()), protocol, address: "", peer: "" },
      ...{ idleMs: 1000, isCurrent: () => true, meter: undefined },
    }),
  });
  const client = new FakeClient();
  const exchange = new Exchange(client.asClient(meter), requestOf(head), context);
  const planned: ForwardPlan = {
    ...{ kind: "forward", pool, edits: EDITS, responseHeaders: undefined, retries: undefined, timeoutMs: undefined },
    ...{ delayMs: undefined, route: "", cluster: "" },
    ...plan,
  };
  exchange.start(() => (isPlannedLate ? Promise.resolve(planned) : planned));
  const flags = (): readonly string[] => counted.map((one) => `${one.status} ${one.flags}`);
  return { clock, context, client, exchange, streams, flags, calls, messages, logged };
}

const SETTINGS: ConnectionPool = { httpVersion: "1.1" };
const ENDPOINTS = [
  { ip: "10.0.0.1", port: 80, mutualTls: false },
  { ip: "10.0.0.2", port: 80, mutualTls: false },
];

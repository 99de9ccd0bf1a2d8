/** For tests: an application that serves gRPC with grpc-js, and its clients. Messages are bytes, without protobuf. */
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";

type AnyCall = Pick<ServerUnaryCall<Buffer, Buffer>, "metadata" | "sendMetadata" | "getDeadline"> & {
  once(event: "cancelled", listener: () => void): unknown;
};
type BytesMethod = MethodDefinition<Buffer, Buffer>;

const same = (bytes: Buffer): Buffer => bytes;

function method(name: string, requestStream: boolean, responseStream: boolean): BytesMethod {
  const path = `/test.Bytes/${name}`;
  const codecs = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  return { path, requestStream, responseStream, ...codecs };
}

export const BYTES = {
  unary: method("Unary", false, false),
  serverStream: method("ServerStream", false, true),
  clientStream: method("ClientStream", true, false),
  bidi: method("Bidi", true, true),
} as const;

/** What the application saw. */
export interface GrpcApplication {
  readonly port: number;
  /** Metadata of each call, in order. */
  readonly calls: readonly Metadata[];
  /** The deadline that each call has at the server; infinite without one. */
  readonly deadlines: readonly (Date | number)[];
  /** How many calls were cancelled before they ended. */
  readonly cancelled: () => number;
}

/** The status with which a call fails at once: `x-fail` names it. */
function failureOf(metadata: Metadata): { code: number; details: string; metadata: Metadata } | undefined {
  const [code] = metadata.get("x-fail");
  if (code === undefined) return undefined;
  const trailers = new Metadata();
  trailers.set("grpc-status-details-bin", DETAILS);
  return { code: Number(code), details: "größer than 100 %", metadata: trailers };
}

/** The details of each failure. */
export const DETAILS: Buffer = Buffer.from([0, 255, 10, 13, 37]);

/**
 * Echoes. `x-fail: CODE` fails a call at once, `x-wait` never ends it, and metadata `x-echo` and `x-echo-bin` come back in
 * front and `x-echo-trailer` behind. @param unavailable how many calls fail at first with UNAVAILABLE.
 */
export async function startGrpcApplication(cleanup: Cleanup, unavailable = 0): Promise<GrpcApplication> {
  const calls: Metadata[] = [];
  const deadlines: (Date | number)[] = [];
  let cancelled = 0;
  const begin = (call: AnyCall): Metadata => {
    calls.push(call.metadata);
    deadlines.push(call.getDeadline());
    if (calls.length <= unavailable) call.metadata.set("x-fail", "14");
    call.once("cancelled", () => {
      cancelled += 1;
    });
    const head = new Metadata();
    for (const name of ["x-echo", "x-echo-bin"]) for (const value of call.metadata.get(name)) head.add(name, value);
    if (failureOf(call.metadata) === undefined && Object.keys(head.getMap()).length > 0) call.sendMetadata(head);
    const trailers = new Metadata();
    for (const value of call.metadata.get("x-echo-trailer")) trailers.add("x-echo-trailer", value);
    return trailers;
  };
  const waits = (metadata: Metadata): boolean => metadata.get("x-wait").length > 0;
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.addService(BYTES, {
    unary(call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) {
      const trailers = begin(call);
      const failure = failureOf(call.metadata);
      if (failure !== undefined) reply(failure);
      else if (!waits(call.metadata)) reply(null, call.request, trailers);
    },
    serverStream(call: ServerWritableStream<Buffer, Buffer>) {
      const trailers = begin(call);
      const failure = failureOf(call.metadata);
      if (failure !== undefined) return void call.emit("error", failure);
      const count = Number(call.request.toString());
      for (let number = 0; number < count; number += 1) call.write(Buffer.from(String(number)));
      if (!waits(call.metadata)) call.end(trailers);
    },
    clientStream(call: ServerReadableStream<Buffer, Buffer>, reply: sendUnaryData<Buffer>) {
      const trailers = begin(call);
      let bytes = 0;
      call.on("data", (message: Buffer) => {
        bytes += message.length;
      });
      call.once("end", () => reply(null, Buffer.from(String(bytes)), trailers));
    },
    bidi(call: ServerDuplexStream<Buffer, Buffer>) {
      const trailers = begin(call);
      call.on("data", (message: Buffer) => {
        if (message.toString() === "stop") call.end(trailers);
        else call.write(message);
      });
      call.once("end", () => call.end(trailers));
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  cleanup.add(() => server.forceShutdown());
  return { port, calls, deadlines, cancelled: () => cancelled };
}

/** How a call ended. */
export interface CallEnd {
  readonly code: number;
  readonly details: string;
  readonly trailers: Metadata;
}

/** A client on one connection, which retries nothing itself. */
export class GrpcTestClient {
  readonly #client: Client;

  constructor(cleanup: Cleanup, port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.enable_retries": 0,
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
    });
    cleanup.add(() => this.#client.close());
  }

  /** Calls Unary, and collects all that comes back. */
  async unary(message: Buffer, metadata: Metadata = new Metadata(), deadlineMs?: number) {
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    const call: ClientUnaryCall = this.#client.makeUnaryRequest(
      BYTES.unary.path,
      same,
      same,
      message,
      metadata,
      options,
      (_error, response) => resolve(response),
    );
    let head = new Metadata();
    call.once("metadata", (received: Metadata) => {
      head = received;
    });
    const [end, response] = await Promise.all([endOfCall(call), promise]);
    return { ...end, head, response };
  }

  serverStream(count: number, metadata: Metadata = new Metadata()): ClientReadableStream<Buffer> {
    return this.#client.makeServerStreamRequest(
      BYTES.serverStream.path,
      same,
      same,
      Buffer.from(String(count)),
      metadata,
    );
  }

  clientStream(): { call: ClientWritableStream<Buffer>; response: Promise<Buffer | undefined> } {
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
    const call = this.#client.makeClientStreamRequest(BYTES.clientStream.path, same, same, (_error, response) =>
      resolve(response),
    );
    return { call, response: promise };
  }

  bidi(metadata: Metadata = new Metadata()): ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest(BYTES.bidi.path, same, same, metadata);
  }
}

/** Resolves with a call's status, which it must not have yet; an error is part of it. */
export async function endOfCall(call: NodeJS.EventEmitter): Promise<CallEnd> {
  call.on("error", () => undefined);
  const { code, details, metadata } = await new Promise<StatusObject>((resolve) => call.once("status", resolve));
  return { code, details, trailers: metadata };
}

/** All messages of a stream, and its end. */
export async function readCall(call: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>) {
  const messages: string[] = [];
  call.on("data", (message: Buffer) => messages.push(message.toString()));
  const end = await endOfCall(call);
  return { messages, ...end };
}

/** @param fields names and values. */
export function metadataOf(fields: Readonly<Record<string, string | Buffer>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
  return metadata;
}

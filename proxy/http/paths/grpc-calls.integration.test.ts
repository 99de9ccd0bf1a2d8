import {
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { httpVersionOf } from "../../../mesh/policy/declared-protocol.ts";
import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { until } from "../../../net/until-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { HELLO, meshDestination } from "../../mesh-identities-fixture.ts";
import { type OutboundSide, startOutboundSide } from "../../outbound-side-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const text = { serialize: (value: string) => Buffer.from(value), deserialize: (bytes: Buffer) => bytes.toString() };

function methodOf(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: text.serialize,
    requestDeserialize: text.deserialize,
    responseSerialize: text.serialize,
    responseDeserialize: text.deserialize,
  };
}

const ECHO = {
  unary: methodOf("Unary", false, false),
  fail: methodOf("Fail", false, false),
  count: methodOf("Count", false, true),
  join: methodOf("Join", true, false),
  talk: methodOf("Talk", true, true),
} satisfies ServiceDefinition;

const Client = makeGenericClientConstructor(ECHO, "Echo");

interface Application {
  readonly port: number;
  /** Calls in progress that wait for their client. */
  readonly open: () => number;
  readonly cancelled: () => number;
}

/** A gRPC server that answers with what it gets, and with its client's identity in a trailer. */
async function startApplication(): Promise<Application> {
  let open = 0;
  let cancelled = 0;
  const unary: handleUnaryCall<string, string> = (call, done) => {
    const trailers = new Metadata();
    trailers.set("x-client", String(call.metadata.get("x-forwarded-client-cert")[0] ?? "none"));
    done(null, `<${call.request}>`, trailers);
  };
  const fail: handleUnaryCall<string, string> = (call, done) => {
    done({ code: status.FAILED_PRECONDITION, details: `not ${call.request}` });
  };
  const count: handleServerStreamingCall<string, string> = (call) => {
    for (let at = 0; at < Number(call.request); at += 1) call.write(String(at));
    call.end();
  };
  const join: handleClientStreamingCall<string, string> = (call, done) => {
    let joined = "";
    call.on("data", (piece: string) => {
      joined += piece;
    });
    call.on("end", () => done(null, joined));
  };
  const talk: handleBidiStreamingCall<string, string> = (call) => {
    open += 1;
    call.on("data", (piece: string) => call.write(`<${piece}>`));
    call.on("end", () => call.end());
    call.on("cancelled", () => {
      cancelled += 1;
    });
    call.on("close", () => {
      open -= 1;
    });
  };
  const server = new Server();
  server.addService(ECHO, { unary, fail, count, join, talk });
  cleanup.add(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, open: () => open, cancelled: () => cancelled };
}

interface Path {
  readonly port: number;
  readonly sides: readonly (InboundSide | OutboundSide)[];
  readonly application: Application;
}

interface Way {
  readonly way: string;
  /** What the application sees of the client's identity. */
  readonly identity: string;
  readonly start: () => Promise<Path>;
}

function declared(protocol: DeclaredProtocol | undefined) {
  return protocol === undefined ? {} : { protocol };
}

const WAYS: readonly Way[] = (["grpc", undefined] as const).flatMap((protocol): readonly Way[] => [
  {
    way: `the server's sidecar, port ${protocol ?? "undeclared"}`,
    identity: "none",
    start: async () => {
      const application = await startApplication();
      const options = { applicationPort: application.port, ...declared(protocol) };
      const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", ...options });
      return { port: side.port, sides: [side], application };
    },
  },
  {
    way: `the client's sidecar, port ${protocol ?? "undeclared"}`,
    identity: "none",
    start: async () => {
      const application = await startApplication();
      const overrides = { protocol, connectionPool: { httpVersion: httpVersionOf(protocol) } };
      const destination = meshDestination([application.port], { mutualTls: false, overrides });
      const side = await startOutboundSide(cleanup, { destination });
      return { port: side.port, sides: [side], application };
    },
  },
  {
    way: `both sidecars, port ${protocol ?? "undeclared"}`,
    identity: HELLO,
    start: async () => {
      const application = await startApplication();
      const options = { applicationPort: application.port, ...declared(protocol) };
      const inbound = await startInboundSide(cleanup, { mode: "STRICT", ...options });
      const destination = meshDestination([inbound.port], { overrides: { protocol } });
      const outbound = await startOutboundSide(cleanup, { destination });
      return { port: outbound.port, sides: [inbound, outbound], application };
    },
  },
]);

function connect({ port }: Path) {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  cleanup.add(() => client.close());
  return client;
}

type EchoClient = ReturnType<typeof connect>;

function callUnary(
  client: EchoClient,
  { path, requestSerialize, responseDeserialize }: typeof ECHO.unary,
  request: string,
) {
  return new Promise<{ response: string | undefined; error: ServiceError | null; trailers: Metadata | undefined }>(
    (resolve) => {
      let ended: { response: string | undefined; error: ServiceError | null } | undefined;
      let trailers: Metadata | undefined;
      const settle = (): void => {
        if (ended !== undefined && trailers !== undefined) resolve({ ...ended, trailers });
      };
      const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
        ended = { response, error };
        settle();
      });
      call.on("status", ({ metadata }) => {
        trailers = metadata;
        settle();
      });
    },
  );
}

describe.each(WAYS)("gRPC through $way", ({ start, identity }) => {
  it("carries unary calls, their trailers and their client's identity", async () => {
    const path = await start();
    const client = connect(path);
    const calls = await Promise.all(Array.from({ length: 50 }, (_, at) => callUnary(client, ECHO.unary, String(at))));
    expect(calls.map(({ response }) => response)).toEqual(calls.map((_, at) => `<${at}>`));
    for (const { trailers } of calls) expect(String(trailers?.get("x-client")[0])).toContain(identity);
  });

  it("carries an error without content, with its status and message", async () => {
    const path = await start();
    const { error } = await callUnary(connect(path), ECHO.fail, "this");
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: "not this" });
  });

  it("carries a stream of the server, and one of the client", async () => {
    const client = connect(await start());
    const { count, join } = ECHO;
    const numbers: string[] = [];
    const counting = client.makeServerStreamRequest(
      count.path,
      count.requestSerialize,
      count.responseDeserialize,
      "1000",
    );
    for await (const number of counting) numbers.push(String(number));
    expect(numbers).toHaveLength(1000);
    const joined = await new Promise((resolve, reject) => {
      const joining = client.makeClientStreamRequest(
        join.path,
        join.requestSerialize,
        join.responseDeserialize,
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
      for (const piece of numbers.slice(0, 100)) joining.write(piece);
      joining.end();
    });
    expect(joined).toBe(numbers.slice(0, 100).join(""));
  });

  it("carries a conversation message by message, and its cancellation", async () => {
    const { application, ...path } = await start();
    const client = connect({ application, ...path });
    const { path: method, requestSerialize, responseDeserialize } = ECHO.talk;
    const talk = client.makeBidiStreamRequest(method, requestSerialize, responseDeserialize);
    const codes: number[] = [];
    talk.on("error", ({ code }: ServiceError) => codes.push(code));
    for (const word of ["one", "two"]) {
      talk.write(word);
      expect(await new Promise((resolve) => talk.once("data", resolve))).toBe(`<${word}>`);
    }
    expect(application.open()).toBe(1);
    talk.cancel();
    await until(() => application.cancelled() === 1 && application.open() === 0);
    expect(codes).toEqual([status.CANCELLED]);
    expect((await callUnary(client, ECHO.unary, "after")).response).toBe("<after>");
  });

  it("leaves nothing behind after load", async () => {
    const path = await start();
    const clients = Array.from({ length: 4 }, () => connect(path));
    await Promise.all(
      clients.flatMap((client) => Array.from({ length: 100 }, (_, at) => callUnary(client, ECHO.unary, String(at)))),
    );
    for (const client of clients) client.close();
    for (const side of path.sides) side.http.closing.abort();
    const isAtBaseline = ({ registry, http, closeIdle }: InboundSide | OutboundSide): boolean => {
      closeIdle();
      return registry.size === 0 && http.context.deadlines.size === 0;
    };
    await until(() => path.sides.every(isAtBaseline));
  });
});

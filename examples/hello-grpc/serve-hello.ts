import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Hello, type HelloResponse } from "./api/gen/hello_pb.ts";

/** The environment of the server. */
export interface GreeterSettings {
  /** What to say before the name. */
  readonly TEXT?: string | undefined;
  /** The pod's name, as Kubernetes sets it. */
  readonly HOSTNAME?: string | undefined;
}

/** A gRPC server over HTTP/2 in plaintext, which a sidecar secures. */
export interface Greeter {
  readonly server: Http2Server;
  /** Accepts no connection any more, tells the clients by GOAWAY, and ends when the calls in progress have ended. */
  stop(): void;
}

/** The fields of a response, as far as the server decides them. */
type Greeting = Pick<HelloResponse, "text" | "pod" | "caller">;

/** The server of the demo: responds with TEXT and the name, its pod, and who the sidecar says is calling. */
export function createGreeter(settings: GreeterSettings): Greeter {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(connectNodeAdapter({ routes: (router) => addHello(router, settings) }));
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  return {
    server,
    stop: () => {
      server.close();
      for (const session of sessions) session.close();
    },
  };
}

function addHello(router: ConnectRouter, { TEXT = "hello", HOSTNAME = "" }: GreeterSettings): void {
  const greet = (name: string, { requestHeader }: HandlerContext): Greeting => ({
    text: `${TEXT} ${name}`,
    pod: HOSTNAME,
    caller: requestHeader.get("x-forwarded-client-cert") ?? "",
  });
  router.service(Hello, {
    sayHello: ({ name }, context) => greet(name, context),
    async *chat(requests, context) {
      for await (const { name } of requests) yield greet(name, context);
    },
  });
}

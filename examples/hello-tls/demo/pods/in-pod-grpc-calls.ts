/**
 * Runs inside a pod's network: calls the gRPC service on one connection, then holds a conversation on it, and prints as
 * JSON who responded, what the server was told of its caller, and what went wrong.
 */
import { connect } from "node:net";
import { argv, stdout } from "node:process";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Hello } from "../../../hello-grpc/api/gen/hello_pb.ts";
import type { GrpcJob, GrpcReport } from "../grpc/grpc-calls.ts";

// The demo starts this file itself, with a job of its own making as the argument.
const job: GrpcJob = JSON.parse(argv[2] ?? "{}");
const { host, port, name, calls, headers } = job;
const baseUrl = `http://${host}:${port}`;
let connections = 0;
const createConnection = () => {
  connections += 1;
  return connect({ host, port });
};
const sessionManager = new Http2SessionManager(baseUrl, undefined, { createConnection });
const client = createClient(Hello, createGrpcTransport({ baseUrl, sessionManager, defaultTimeoutMs: 5000 }));
const responses: { pod: string; caller: string }[] = [];
const failures: string[] = [];
const greetings: string[] = [];

for (let call = 0; call < calls; call += 1) {
  try {
    const { pod, caller } = await client.sayHello({ name }, { headers });
    responses.push({ pod, caller });
  } catch (caught) {
    failures.push(ConnectError.from(caught).message);
  }
}
if (failures.length === 0) await converse().catch((caught) => failures.push(ConnectError.from(caught).message));
sessionManager.abort();
stdout.write(JSON.stringify({ connections, responses, greetings, failures } satisfies GrpcReport));

/** Each name goes out when the greeting of the one before is there. */
async function converse(): Promise<void> {
  let isGreeted = Promise.withResolvers<void>();
  const names = (async function* () {
    for (const each of ["one", "two", "three"]) {
      yield { name: each };
      await isGreeted.promise;
      isGreeted = Promise.withResolvers<void>();
    }
  })();
  for await (const { text } of client.chat(names, { headers })) {
    greetings.push(text);
    isGreeted.resolve();
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { type CallOptions, type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Hello } from "./api/gen/hello_pb.ts";

/** A client of the server with one HTTP/2 connection, which is opened again when it has ended. */
export interface HelloCaller {
  readonly client: Client<typeof Hello>;
  /** Closes the connection at once. */
  close(): void;
}

const CALL_TIMEOUT_MS = 5000;
const EVERY_MS = 1000;

/** @param server `host:port` */
export function openHelloCaller(server: string): HelloCaller {
  const baseUrl = `http://${server}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager, defaultTimeoutMs: CALL_TIMEOUT_MS });
  return { client: createClient(Hello, transport), close: () => sessionManager.abort() };
}

/** Calls every second until the signal, and prints a line for each call. */
export async function callEverySecond(
  server: string,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const caller = openHelloCaller(server);
  for (let turn = 1; !signal.aborted; turn += 1) {
    print(await callOnce(caller, `caller ${turn}`, { signal }));
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  caller.close();
}

/** One call in one line: the response and the pod that sent it, or the status that it ended with. */
async function callOnce({ client }: HelloCaller, name: string, options: CallOptions): Promise<string> {
  try {
    const { text, pod } = await client.sayHello({ name }, options);
    return `${text} (${pod})`;
  } catch (caught) {
    return ConnectError.from(caught).message;
  }
}

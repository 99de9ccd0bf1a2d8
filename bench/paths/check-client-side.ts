import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer, type TLSSocket } from "node:tls";
import { openGrpcClient } from "../load/grpc-client.ts";
import type { CertificateFiles } from "./certificates.ts";
import type { ApplicationProtocol } from "./path.ts";

/** What a client's side did on the mesh hop. */
interface SeenHop {
  readonly tls: string;
  readonly hasCertificate: boolean;
  readonly speaks: ApplicationProtocol | "something else";
}

/** What stands in for the server's side of a path. */
export interface HopRecorder {
  readonly port: number;
  /** What the first connection did; `undefined`: none has come 5 s after the question. */
  seen(): Promise<SeenHop | undefined>;
  stop(): void;
}

const SEEN_TIMEOUT_MS = 5000;
const PROTOCOLS = ["h2", "http/1.1", "istio-peer-exchange", "istio"];

/**
 * Takes the place of the server's side and finds out what the client's side does on the hop: its TLS version, whether it
 * has a certificate of the mesh, and which protocol it then speaks, by the first bytes. In TLS 1.3 nobody else can see that.
 */
export async function startHopRecorder(certificates: CertificateFiles): Promise<HopRecorder> {
  const pem = readFileSync(certificates.server);
  const { promise, resolve } = Promise.withResolvers<SeenHop>();
  const server = createServer({
    ...{ cert: pem, key: pem, ca: readFileSync(certificates.root), requestCert: true, rejectUnauthorized: false },
    // As the paths' own server's sides choose: HTTP where it is offered, under its plain name.
    ALPNCallback: ({ protocols }) => PROTOCOLS.find((name) => protocols.includes(name)),
  });
  server.on("tlsClientError", () => undefined);
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => undefined);
    socket.once("data", (first: Buffer) => {
      const { authorized: hasCertificate } = socket;
      resolve({ tls: socket.getProtocol() ?? "", hasCertificate, speaks: protocolOf(first.toString("latin1")) });
      socket.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: address === null || typeof address === "string" ? 0 : address.port,
    seen: () => Promise.race([promise, sleep(SEEN_TIMEOUT_MS, undefined, { ref: false })]),
    stop: () => void server.close(),
  };
}

/** What is wrong with a client's side that listens on `port` and dials the recorder; empty: nothing. */
export async function checkClientSide(
  port: number,
  recorder: HopRecorder,
  { application, hop }: { readonly application: ApplicationProtocol; readonly hop: ApplicationProtocol },
): Promise<readonly string[]> {
  const stop = application === "h2" ? callOnce(port) : await requestOnce(port);
  const seen = await recorder.seen();
  stop();
  if (seen === undefined) return ["the client's side sends nothing over the mesh hop"];
  const { tls, hasCertificate, speaks } = seen;
  return [
    ...(tls === "TLSv1.3" ? [] : [`the client's side speaks ${tls}`]),
    ...(hasCertificate ? [] : ["the client's side has no certificate of the mesh"]),
    ...(speaks === hop ? [] : [`the mesh hop carries ${speaks} instead of ${hop}`]),
  ];
}

function callOnce(port: number): () => void {
  const client = openGrpcClient({ port });
  void client.call(0);
  return () => client.close();
}

async function requestOnce(port: number): Promise<() => void> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write("GET /small HTTP/1.1\r\nHost: server\r\n\r\n");
  return () => void socket.destroy();
}

function protocolOf(first: string): SeenHop["speaks"] {
  if (first.startsWith("PRI * HTTP/2.0\r\n")) return "h2";
  return /^GET \S+ HTTP\/1\.1\r\n/.test(first) ? "http/1.1" : "something else";
}

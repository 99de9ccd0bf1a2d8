import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect as connectPlain, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { findGrpcFault, openGrpcClient } from "../load/grpc-client.ts";
import type { CertificateFiles } from "./certificates.ts";
import { SERVER_NAME } from "./identities.ts";
import type { ApplicationProtocol } from "./path.ts";

/** What a probe of the mesh port met. */
export type ProbeResult =
  | { readonly kind: "answered"; readonly tls: string }
  | { readonly kind: "refused"; readonly message: string };

/** How a client of the mesh port may come. */
export interface ProbeOptions {
  readonly port: number;
  /** What the backend speaks. */
  readonly application: ApplicationProtocol;
  readonly certificates: CertificateFiles;
  readonly client: "certificate" | "no certificate" | "plaintext" | "TLS 1.2";
}

const PROBE_TIMEOUT_MS = 5000;
const REQUEST = "GET /small HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n";

/**
 * Proves that a path's mesh port takes mutual TLS 1.3 and nothing less, before anything is measured: with a certificate
 * a request is answered, without one and in plaintext none is. Gives what is wrong; empty: nothing.
 */
export async function checkMeshHop(target: Omit<ProbeOptions, "client">): Promise<readonly string[]> {
  const probe = (client: ProbeOptions["client"]) => probeMeshPort({ ...target, client });
  const faults: string[] = [];
  const good = await probe("certificate");
  if (good.kind === "refused") faults.push(`a client with a certificate is refused: ${good.message}`);
  else if (good.tls !== "TLSv1.3") faults.push(`the mesh hop speaks ${good.tls}`);
  for (const client of ["no certificate", "plaintext"] as const) {
    if ((await probe(client)).kind === "answered") faults.push(`a client with ${client} is served`);
  }
  return faults;
}

/** Sends one request to the mesh port, or one gRPC call. Everything but a 200, or a call that succeeds, counts as refused. */
export function probeMeshPort(options: ProbeOptions): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const { port, client } = options;
    const socket =
      client === "plaintext" ? connectPlain({ port, host: "127.0.0.1" }) : connect(tlsOptionsOf(port, options));
    const finish = (result: ProbeResult): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => finish({ kind: "refused", message: "no response" }), PROBE_TIMEOUT_MS);
    const ready = client === "plaintext" ? "connect" : "secureConnect";
    if (options.application === "h2") {
      socket.once(ready, () => void callOn(socket).then(finish));
    } else {
      socket.once(ready, () => socket.write(REQUEST));
      readHttp1(socket, finish);
    }
    socket.on("error", (error) => finish({ kind: "refused", message: error.message }));
    socket.once("close", () => finish({ kind: "refused", message: "closed" }));
  });
}

function readHttp1(socket: Socket, finish: (result: ProbeResult) => void): void {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    if (text.startsWith("HTTP/1.1 200 ")) finish({ kind: "answered", tls: tlsVersionOf(socket) });
    else if (text.length > 12) finish({ kind: "refused", message: text.slice(0, 30) });
  });
}

async function callOn(socket: Socket): Promise<ProbeResult> {
  const tls = tlsVersionOf(socket);
  const client = openGrpcClient({ socket });
  const fault = findGrpcFault(await client.call(0), 1);
  client.close();
  return fault === undefined ? { kind: "answered", tls } : { kind: "refused", message: fault };
}

function tlsOptionsOf(port: number, { certificates, client, application }: ProbeOptions) {
  const pem = readFileSync(certificates.client);
  const own = client === "no certificate" ? {} : { cert: pem, key: keyOf(pem) };
  return {
    port,
    host: "127.0.0.1",
    ...own,
    ca: readFileSync(certificates.root),
    servername: SERVER_NAME,
    ALPNProtocols: application === "h2" ? ["istio-h2", "istio", "h2"] : ["istio", "http/1.1"],
    minVersion: "TLSv1.2" as const,
    maxVersion: client === "TLS 1.2" ? ("TLSv1.2" as const) : ("TLSv1.3" as const),
  };
}

function keyOf(pem: Buffer): string {
  return createPrivateKey(pem).export({ type: "pkcs8", format: "pem" }).toString();
}

function tlsVersionOf(socket: object): string {
  const isTls = (value: object): value is TLSSocket => "getProtocol" in value;
  return isTls(socket) ? (socket.getProtocol() ?? "") : "plaintext";
}

/** A webhook on loopback with its own certificate, for tests. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { Agent, request } from "undici";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { type Logger, systemClock } from "../../mesh/runtime.ts";
import { TEST_SETTINGS } from "../admission/pod-fixture.ts";
import { startServingCertificate } from "./serving-certificate.ts";
import { startWebhookServer, type WebhookLimits, type WebhookServer } from "./webhook-server.ts";

const root = mintRoot();
const NAME = "istiod.istio-system.svc";
export const DAY_MS = 86_400_000;

/** Small where a test reaches them. The times are long: a busy machine needs seconds for a handshake. */
export const TEST_LIMITS = {
  headersTimeoutMs: 60_000,
  requestTimeoutMs: 60_000,
  handshakeTimeoutMs: 60_000,
  maxConnections: 8,
  maxBodyBytes: 64 * 1024,
  maxBodiesBytes: 128 * 1024,
};

export interface WebhookResponse {
  readonly status: number;
  readonly text: string;
}

export interface TestWebhook {
  readonly directory: string;
  readonly log: RecordingLogger;
  post(body: string | Buffer, headers?: Readonly<Record<string, string>>, path?: string): Promise<WebhookResponse>;
  get(path: string): Promise<WebhookResponse>;
  /** A raw TLS connection, for bytes that no HTTP client would send. */
  open(onData?: (text: string) => void): Promise<TLSSocket>;
  writePair(certificate: string, key: string): void;
  /** Starts another server with the same files. */
  startAnother(): Promise<WebhookServer>;
  stop(): Promise<void>;
}

/** A server certificate of the test root; expired if `notAfter` is in the past. */
export function mintServing(notAfter: Date = new Date(Date.now() + DAY_MS)): MintedCertificate {
  const notBefore = new Date(Date.now() - 2 * DAY_MS);
  return mintLeaf({ issuer: root, uriSans: [], dnsSans: [NAME], notBefore, notAfter });
}

export async function startTestWebhook(times: Partial<WebhookLimits> = {}): Promise<TestWebhook> {
  const directory = mkdtempSync(join(tmpdir(), "entente-webhook-"));
  const log = new RecordingLogger();
  const start = () => startServer(directory, { log, limits: { ...TEST_LIMITS, ...times } });
  const writePair = (certificate: string, key: string) => {
    writeFileSync(join(directory, "tls.crt"), certificate);
    writeFileSync(join(directory, "tls.key"), key, { mode: 0o600 });
  };
  const { pem, keyPem } = mintServing();
  writePair(pem, keyPem);
  const server = await start();
  const agent = new Agent({ connect: { ca: root.pem, servername: NAME } });
  const send = async (path: string, options: object): Promise<WebhookResponse> => {
    const { statusCode, body } = await request(`https://127.0.0.1:${server.port}${path}`, {
      dispatcher: agent,
      ...options,
    });
    return { status: statusCode, text: await body.text() };
  };
  return {
    directory,
    log,
    writePair,
    startAnother: start,
    get: (path) => send(path, {}),
    post: (body, headers = {}, path = "/inject") =>
      send(path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body }),
    open: (onData) => openTls(server.port, onData),
    stop: async () => {
      await agent.destroy();
      await server.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

/** The text of an AdmissionReview for a pod that is being created. */
export function review(object: unknown, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: { uid: "u-1", kind: { kind: "Pod" }, operation: "CREATE", namespace: "ns1", object, ...more },
  });
}

/** Resolves when the connection is closed. */
export function closed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

async function startServer(
  directory: string,
  { log, limits }: { readonly log: Logger; readonly limits: Partial<WebhookLimits> },
): Promise<WebhookServer> {
  const certificate = await startServingCertificate({
    certificateFile: join(directory, "tls.crt"),
    keyFile: join(directory, "tls.key"),
    intervalMs: 20,
    clock: systemClock,
    log,
  });
  const server = await startWebhookServer({
    host: "127.0.0.1",
    port: 0,
    certificate,
    settings: () => TEST_SETTINGS,
    clock: systemClock,
    log,
    limits,
  });
  return {
    port: server.port,
    stop: async () => {
      certificate.stop();
      await server.stop();
    },
  };
}

function openTls(port: number, onData: (text: string) => void = () => undefined): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca: root.pem, servername: NAME }, () => resolve(socket));
    socket.on("data", (chunk) => onData(chunk.toString()));
    socket.on("error", reject);
  });
}

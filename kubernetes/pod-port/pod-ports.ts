import type { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import { WebSocket } from "undici";
import type { Clock } from "../../mesh/runtime.ts";
import type { ClusterAccess } from "../cluster-access.ts";
import { KINDS } from "../kinds.ts";
import type { ObjectName } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { ApiConnection, type ApiRequest } from "../requests/api-connection.ts";
import { DispatcherSource } from "../requests/api-dispatchers.ts";
import { errorFromResponse } from "../requests/api-response.ts";
import { formatQuery, formatResourcePath } from "../requests/resource-path.ts";
import { PORT_FORWARD_PROTOCOL } from "./channel-frames.ts";
import { PodPortStream } from "./pod-port-stream.ts";

export interface PodRequest {
  readonly pod: ObjectName;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  readonly signal: AbortSignal;
}

export interface PodResponse {
  readonly status: number;
  readonly body: string;
}

export interface PodTlsRequest extends Omit<PodRequest, "path"> {
  readonly servername: string;
  /** PEM. */
  readonly ca: string;
}

export interface PresentedCertificate {
  readonly certificate: X509Certificate;
  /** Why it is not trusted; absent if it is. */
  readonly fault?: string;
}

export interface PodPortsDeps {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  readonly userAgent: string;
}

/** A page of a pod's local server: the larger ones list connections and metrics. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

/**
 * Reads pages of servers inside pods, those on loopback included, through the API server's port forwarding. It needs the
 * right to create pods/portforward.
 */
export class PodPorts {
  readonly #deps: PodPortsDeps;
  readonly #dispatchers: DispatcherSource;

  constructor(deps: PodPortsDeps) {
    this.#deps = deps;
    this.#dispatchers = new DispatcherSource(deps.access);
  }

  /** GET with the Host localhost. */
  async get({ pod, port, path, signal }: PodRequest): Promise<PodResponse> {
    const stream = await this.#open(pod, port, signal);
    try {
      const response = await send(stream, { port, path, signal });
      return { status: response.statusCode ?? 0, body: await readBody(response) };
    } catch (caught) {
      throw failureOf(caught, stream, signal);
    } finally {
      stream.destroy();
    }
  }

  /** The certificate that a TLS server in a pod presents, and whether it is one for `servername` by `ca`. */
  async presentedCertificate({ pod, port, servername, ca, signal }: PodTlsRequest): Promise<PresentedCertificate> {
    const stream = await this.#open(pod, port, signal);
    const socket = connect({ socket: stream, servername, ca, rejectUnauthorized: false });
    try {
      await once(socket, "secureConnect", { signal });
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined)
        throw new KubernetesApiError("api_invalid_response", "no certificate was presented");
      // Node sets it to the code of OpenSSL's error, or to null.
      const fault: unknown = socket.authorizationError;
      return { certificate, ...(fault instanceof Error || typeof fault === "string" ? { fault: String(fault) } : {}) };
    } catch (caught) {
      throw failureOf(caught, stream, signal);
    } finally {
      socket.destroy();
      stream.destroy();
    }
  }

  close(): Promise<void> {
    return this.#dispatchers.close();
  }

  async #open(pod: ObjectName, port: number, signal: AbortSignal): Promise<PodPortStream> {
    const { access, userAgent } = this.#deps;
    const { headers, tls } = await access.credentials("cached");
    signal.throwIfAborted();
    const path = `${formatResourcePath(KINDS.pods, { ...pod, subresource: "portforward" })}${formatQuery({ ports: port })}`;
    const socket = new WebSocket(`${access.server.replace(/^http/, "ws")}${path}`, {
      protocols: PORT_FORWARD_PROTOCOL,
      dispatcher: this.#dispatchers.for(tls).watches,
      headers: { ...headers, "user-agent": userAgent },
    });
    const stream = new PodPortStream(socket, `port ${port} of pod ${pod.namespace}/${pod.name}`);
    const isOpen = await whenOpen(socket, stream, signal);
    if (!isOpen) throw await this.#explainRefusal(path, signal);
    return stream;
  }

  /** A refused handshake has no text; the same request without an upgrade is refused with the reason. */
  async #explainRefusal(path: string, signal: AbortSignal): Promise<Error> {
    const { access, userAgent, clock } = this.#deps;
    const connection = new ApiConnection({
      access,
      userAgent,
      maxResponseBytes: 1024 * 1024,
      onWarning: () => undefined,
    });
    const sent: ApiRequest = { method: "GET", path };
    try {
      const response = await connection.send(sent, signal);
      if (response.status >= 400) return errorFromResponse(response, clock.now());
      return new KubernetesApiError("api_invalid_response", `${connection.describe(sent)}: no WebSocket is offered`);
    } finally {
      await connection.close();
    }
  }
}

/** Undici's client needs a socket; this one takes any stream. */
function send(stream: Duplex, { port, path, signal }: Omit<PodRequest, "pod">): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { host: `localhost:${port}`, connection: "close" };
    const sent = request({ createConnection: () => stream, path, headers, signal });
    sent.once("response", resolve);
    sent.on("error", reject);
    sent.end();
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_RESPONSE_BYTES) {
      throw new KubernetesApiError("api_response_too_large", `the page has more than ${MAX_RESPONSE_BYTES} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Resolves when the handshake has ended; false: it was refused. */
function whenOpen(socket: WebSocket, stream: Duplex, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      stream.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const settle = (isOpen: boolean): void => {
      signal.removeEventListener("abort", onAbort);
      resolve(isOpen);
    };
    stream.once("error", () => settle(false));
    socket.addEventListener("open", () => settle(true), { once: true });
    socket.addEventListener("close", () => settle(false), { once: true });
  });
}

/** The HTTP client reports that a connection ended; the stream knows why. */
function failureOf(caught: unknown, stream: PodPortStream, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  return stream.errored ?? caught;
}

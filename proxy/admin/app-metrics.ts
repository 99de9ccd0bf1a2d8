import { type IncomingMessage, request } from "node:http";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import type { MetricsPage, MetricsSource } from "../../net/metrics/metrics-page.ts";
import { formatSocketAddress } from "../../net/socket-address.ts";
import { ProxyError } from "../proxy-error.ts";
import { type CheckedPage, checkExposition } from "./check-exposition.ts";

/** Where the application serves its metrics. */
export interface AppMetricsTarget {
  readonly port: number;
  /** With the query. */
  readonly path: string;
}

export interface AppMetricsOptions {
  /** The proxy's own metrics. */
  readonly source: MetricsSource;
  readonly target: AppMetricsTarget;
  readonly podIp: string;
  /** The source address, so that the request is not captured. @default "127.0.0.6", or "::6" for an IPv6 pod */
  readonly sourceIp?: string;
  /** Of the application's page. */
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Prometheus gives up after 10 seconds. */
const TIMEOUT_MS = 5_000;
const MAX_HEADER_BYTES = 16_384;
const PROXY_STATUS_PORT = 15020;
const UP = "entente_application_metrics_up";

/**
 * Parses `ISTIO_PROMETHEUS_ANNOTATIONS`, which the injector writes: the pod's original `prometheus.io/*` annotations.
 * Undefined if the application has no metrics. Throws a ProxyError that names the field.
 */
export function parseAppMetrics(text: string): AppMetricsTarget | undefined {
  if (text.trim() === "") return undefined;
  const { scrape, port: portText, path: pathText } = parseFields(text);
  if (scrape === "false") return undefined;
  // Istio's defaults.
  const port = Number(portText || "80");
  if (!/^\d{0,5}$/.test(portText) || !(port >= 1 && port <= 65_535)) throw bad(`the port "${portText}" is not a port`);
  if (port === PROXY_STATUS_PORT) return undefined;
  const path = pathText || "/metrics";
  if (!/^[\x21-\x7e]*$/.test(path)) throw bad("the path has characters that no URL has");
  return { port, path: path.startsWith("/") ? path : `/${path}` };
}

/**
 * The proxy's page with the application's behind it: Prometheus scrapes the proxy, because it has no certificate of the
 * mesh. An application that does not respond in time, or with something else, costs its own metrics, never the proxy's.
 */
export function mergeAppMetrics(options: AppMetricsOptions): MetricsSource {
  const { source, target, log } = options;
  let reported = "";
  return {
    contentType: source.contentType,
    async read() {
      const [own, fetched] = await Promise.all([source.read(), fetchPage(options)]);
      const application = fetched.kind === "page" ? await checkExposition(fetched.body, namesIn(own)) : fetched;
      const reason = application.kind === "failed" ? application.reason : "";
      if (reason !== "" && reason !== reported) {
        log.warn({ code: "app_metrics", port: target.port, reason }, "the application's metrics could not be read");
      }
      reported = reason;
      return joinPages(own, application.kind === "page" ? application.body : undefined);
    },
  };
}

/** The names of the page's metrics. */
function namesIn({ pieces }: MetricsPage): ReadonlySet<string> {
  const names = new Set([UP]);
  for (const piece of pieces) {
    for (let at = piece.indexOf(TYPE_LINE); at !== -1; at = piece.indexOf(TYPE_LINE, at + 1)) {
      const start = at + TYPE_LINE.length;
      names.add(piece.toString("latin1", start, piece.indexOf(" ", start)));
    }
  }
  return names;
}

const TYPE_LINE = "# TYPE ";

function joinPages(own: MetricsPage, application: Buffer | undefined): MetricsPage {
  const help = "1 where the application's metrics are a part of this page, else 0.";
  const up = `# HELP ${UP} ${help}\n# TYPE ${UP} gauge\n${UP} ${application === undefined ? 0 : 1}\n`;
  const body = application === undefined ? [] : [application];
  const pieces = [...own.pieces, Buffer.from(up), ...body];
  return { pieces, bytes: pieces.reduce((sum, piece) => sum + piece.length, 0) };
}

async function fetchPage(options: AppMetricsOptions): Promise<CheckedPage> {
  const overdue = new AbortController();
  const timer = options.clock.setTimeout(() => overdue.abort(), TIMEOUT_MS);
  try {
    return { kind: "page", body: withoutEnd(await fetchBody(options, overdue.signal)) };
  } catch (caught) {
    const reason = overdue.signal.aborted ? `no response within ${TIMEOUT_MS} ms` : MeshError.from(caught).message;
    return { kind: "failed", reason };
  } finally {
    timer.cancel();
  }
}

const END = Buffer.from("# EOF\n");

/** `# EOF` of OpenMetrics would end the page of a reader who expects that format. */
function withoutEnd(body: Buffer): Buffer {
  for (const end of [END, END.subarray(0, -1)]) {
    if (body.subarray(-end.length).equals(end)) return body.subarray(0, -end.length);
  }
  return body;
}

/** Node's own client, which a sidecar has loaded anyway. */
function fetchBody({ target, podIp, sourceIp, maxBytes }: AppMetricsOptions, signal: AbortSignal): Promise<Buffer> {
  const { port, path } = target;
  return new Promise((resolve, reject) => {
    const onResponse = (response: IncomingMessage): void => {
      const encoding = response.headers["content-encoding"] ?? "identity";
      if (response.statusCode === 200 && encoding === "identity") {
        collect(response, maxBytes).then(resolve, reject);
        return;
      }
      response.destroy();
      const form = encoding === "identity" ? "" : ` in the content coding ${encoding}, which was not asked for`;
      reject(new Error(`the application responded with ${response.statusCode}${form}`));
    };
    request(
      {
        host: podIp,
        port,
        path,
        headers: { host: formatSocketAddress({ ip: podIp, port }), accept: "text/plain;version=0.0.4" },
        localAddress: sourceIp ?? (podIp.includes(":") ? "::6" : "127.0.0.6"),
        agent: false,
        maxHeaderSize: MAX_HEADER_BYTES,
        signal,
      },
      onResponse,
    )
      .on("error", reject)
      .end();
  });
}

async function collect(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`the application's page has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseFields(text: string) {
  const value = parseJson(text);
  const fields: Readonly<Record<string, unknown>> = typeof value === "object" && value !== null ? { ...value } : {};
  const read = (name: string): string => {
    const field = fields[name] ?? "";
    if (typeof field !== "string") throw bad(`${name} is not text`);
    return field;
  };
  return { scrape: read("scrape"), port: read("port"), path: read("path") };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw bad("it is not JSON; the injector writes it");
  }
}

function bad(what: string): ProxyError {
  return new ProxyError("bad_setting", `ISTIO_PROMETHEUS_ANNOTATIONS: ${what}`);
}

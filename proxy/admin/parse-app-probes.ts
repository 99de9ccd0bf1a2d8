import { ProxyError } from "../proxy-error.ts";

/** An application probe that kubelet asks the proxy to run. */
export interface AppProbe {
  readonly check: HttpCheck | TcpCheck | GrpcCheck;
  readonly timeoutMs: number;
}

export interface HttpCheck {
  readonly kind: "http";
  readonly scheme: "http" | "https";
  readonly port: number;
  /** With the query. */
  readonly path: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

export interface TcpCheck {
  readonly kind: "tcp";
  readonly port: number;
}

export interface GrpcCheck {
  readonly kind: "grpc";
  readonly port: number;
  /** Empty: the server as a whole. */
  readonly service: string;
}

type JsonObject = Readonly<Record<string, unknown>>;

const PROBE_PATH =
  /^\/(?:app-health\/[^/]+\/(?:livez|readyz|startupz)|app-lifecycle\/[^/]+\/(?:poststartz|prestopz)\/[0-9a-f]{32})$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Printable ASCII and tabs: the unambiguous part of RFC 9110's field values (section 5.5). */
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

/**
 * Parses `ISTIO_KUBE_APP_PROBERS`, which the injector writes: a JSON object from the path that kubelet requests to the
 * probe that the pod declared originally. An empty text means no probes. Throws a ProxyError that names the entry.
 */
export function parseAppProbes(text: string): ReadonlyMap<string, AppProbe> {
  if (text.trim() === "") return new Map();
  const entries = Object.entries(objectOf(parseJson(text), "the whole"));
  return new Map(entries.map(([path, value]) => [path, parseProbe(path, objectOf(value, path))]));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProxyError("bad_setting", "ISTIO_KUBE_APP_PROBERS is not JSON; the injector writes it", { cause });
  }
}

function parseProbe(path: string, probe: JsonObject): AppProbe {
  if (!PROBE_PATH.test(path))
    throw bad(
      path,
      "is neither /app-health/CONTAINER/{livez,readyz,startupz} nor /app-lifecycle/CONTAINER/{poststartz,prestopz}/TOKEN",
    );
  const timeoutMs = parseTimeoutMs(path, probe["timeoutSeconds"]);
  if (probe["httpGet"] !== undefined) {
    return { timeoutMs, check: parseHttpCheck(path, objectOf(probe["httpGet"], path)) };
  }
  if (probe["tcpSocket"] !== undefined) {
    const port = parsePort(path, objectOf(probe["tcpSocket"], path)["port"]);
    return { timeoutMs, check: { kind: "tcp", port } };
  }
  if (probe["grpc"] !== undefined) return { timeoutMs, check: parseGrpcCheck(path, objectOf(probe["grpc"], path)) };
  throw bad(path, "has neither httpGet, tcpSocket nor grpc");
}

function parseHttpCheck(path: string, check: JsonObject): HttpCheck {
  const scheme = check["scheme"] ?? "HTTP";
  if (scheme !== "HTTP" && scheme !== "HTTPS") throw bad(path, "has a scheme other than HTTP and HTTPS");
  const target = check["path"] ?? "/";
  if (typeof target !== "string" || !/^[\x21-\x7e]*$/.test(target)) throw bad(path, "has a path that is not ASCII");
  return {
    kind: "http",
    scheme: scheme === "HTTPS" ? "https" : "http",
    port: parsePort(path, check["port"]),
    path: target.startsWith("/") ? target : `/${target}`,
    headers: parseHeaders(path, check["httpHeaders"] ?? []),
  };
}

function parseGrpcCheck(path: string, check: JsonObject): GrpcCheck {
  const service = check["service"] ?? "";
  if (typeof service !== "string") throw bad(path, "has a gRPC service that is not a string");
  return { kind: "grpc", port: parsePort(path, check["port"]), service };
}

function parseHeaders(path: string, headers: unknown): HttpCheck["headers"] {
  if (!Array.isArray(headers)) throw bad(path, "has httpHeaders that are not a list");
  return headers.map((header: unknown) => {
    const { name, value } = objectOf(header, path);
    if (typeof name !== "string" || !TOKEN.test(name)) throw bad(path, "has a header without a valid name");
    if (typeof value !== "string" || !HEADER_VALUE.test(value)) throw bad(path, `has a bad value for ${name}`);
    return { name, value };
  });
}

function parsePort(path: string, port: unknown): number {
  if (typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw bad(path, "has no port number; the injector resolves named ports");
}

/** Kubernetes' default is one second; an hour is more than any kubelet waits. */
function parseTimeoutMs(path: string, seconds: unknown): number {
  if (seconds === undefined || seconds === 0) return 1000;
  if (typeof seconds === "number" && seconds > 0 && seconds <= 3600) return seconds * 1000;
  throw bad(path, "has a timeoutSeconds that is not between 1 and 3600");
}

function objectOf(value: unknown, where: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value));
  throw bad(where, "is not an object");
}

function bad(path: string, what: string): ProxyError {
  return new ProxyError("bad_setting", `ISTIO_KUBE_APP_PROBERS: ${JSON.stringify(path)} ${what}`, {
    details: { probe: path },
  });
}

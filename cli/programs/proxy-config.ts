import { formatSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { HTTP1_LIMIT_NAMES, type Http1Limits, LIMIT_TEXTS } from "../../proxy/http1/http1-limits.ts";
import type { DrainConfig, ProxyConfig } from "../../proxy/proxy-config.ts";
import { ProxyError } from "../../proxy/proxy-error.ts";

type Env = Readonly<Record<string, string | undefined>>;

const DEFAULT_CA_ADDRESS = "istiod.istio-system.svc:15012";
const DEFAULT_TOKEN_FILE = "/var/run/secrets/tokens/istio-token";
const DEFAULT_ROOT_FILE = "/var/run/secrets/istio/root-cert.pem";
const DEFAULT_ACCEPT_S = 5;
const DEFAULT_DRAIN_DEADLINE_S = 25;
const DEFAULT_METRICS_MAX_MB = 8;
/** The upper bound of message limits: one connection may buffer this many bytes. */
const MAX_LIMIT = 16_777_216;

/** Parses the environment that the injector gives a proxy, under Istio's names; a ProxyError names the variable. */
export function parseProxyConfig(env: Env): ProxyConfig {
  const namespace = required(env, "POD_NAMESPACE");
  const trustDomain = parseTrustDomain(env["TRUST_DOMAIN"] || "cluster.local");
  const serviceAccount = env["SERVICE_ACCOUNT"] || "default";
  return {
    pod: { namespace, name: required(env, "POD_NAME") },
    identity: formatSpiffeId({ trustDomain, namespace, serviceAccount }),
    trustDomain,
    controlPlane: parseAddress(env["CA_ADDR"] || DEFAULT_CA_ADDRESS),
    tokenFile: env["ENTENTE_TOKEN_FILE"] || DEFAULT_TOKEN_FILE,
    rootCertificateFile: env["ENTENTE_ROOT_CERT_FILE"] || DEFAULT_ROOT_FILE,
    podIp: env["INSTANCE_IP"] || undefined,
    applicationProbes: env["ISTIO_KUBE_APP_PROBERS"] ?? "",
    applicationMetrics: env["ISTIO_PROMETHEUS_ANNOTATIONS"] ?? "",
    accessLogFile: parseLogFile(env["ENTENTE_ACCESS_LOG"]),
    maxMetricsBytes: megabytes(env, "ENTENTE_METRICS_MAX_MB", DEFAULT_METRICS_MAX_MB),
    messageLimits: parseMessageLimits(env),
    drain: parseDrain(env),
  };
}

/** A deadline that is set is the end of the pod's grace period, which nothing outlasts. */
function parseDrain(env: Env): DrainConfig {
  const acceptMs = seconds(env, "TERMINATION_DRAIN_DURATION_SECONDS", DEFAULT_ACCEPT_S);
  const deadlineMs = seconds(env, "ENTENTE_DRAIN_DEADLINE_SECONDS", DEFAULT_DRAIN_DEADLINE_S);
  if (env["ENTENTE_DRAIN_DEADLINE_SECONDS"]) return { acceptMs: Math.min(acceptMs, deadlineMs), deadlineMs };
  return { acceptMs, deadlineMs: Math.max(acceptMs, deadlineMs) };
}

/** The variables that a limit's error names; those that are not set leave the default. */
function parseMessageLimits(env: Env): Partial<Http1Limits> {
  const limits: Partial<Record<keyof Http1Limits, number>> = {};
  for (const name of HTTP1_LIMIT_NAMES) {
    const { setting } = LIMIT_TEXTS[name];
    const text = env[setting] || undefined;
    if (text === undefined) continue;
    const value = /^\d{1,8}$/.test(text) ? Number(text) : 0;
    if (value < 1 || value > MAX_LIMIT) {
      throw new ProxyError("bad_setting", `${setting} must be a whole number from 1 to ${MAX_LIMIT}, got "${text}"`);
    }
    limits[name] = value;
  }
  return limits;
}

function required(env: Env, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== "") return value;
  throw new ProxyError("bad_setting", `${name} is not set; the injector sets it from the pod (fieldRef)`);
}

function seconds(env: Env, name: string, byDefault: number): number {
  const text = env[name] || String(byDefault);
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0 && value <= 86_400) return value * 1000;
  throw new ProxyError("bad_setting", `${name} must be a number of seconds up to a day, got "${text}"`);
}

function megabytes(env: Env, name: string, byDefault: number): number {
  const text = env[name] || String(byDefault);
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 256) return value * 1024 * 1024;
  throw new ProxyError("bad_setting", `${name} must be a whole number of megabytes from 1 to 256, got "${text}"`);
}

/** Empty turns it off, as in Istio. */
function parseLogFile(text = ""): string | undefined {
  if (text === "") return undefined;
  if (text.startsWith("/")) return text;
  throw new ProxyError("bad_setting", `ENTENTE_ACCESS_LOG must be a file such as /dev/stdout, got "${text}"`);
}

function parseAddress(text: string): ProxyConfig["controlPlane"] {
  const groups = /^(?:\[(?<ipv6>[0-9a-fA-F:]+)\]|(?<host>[^:[\]/\s]+)):(?<port>\d{1,5})$/.exec(text)?.groups;
  const host = groups?.["ipv6"] ?? groups?.["host"];
  const port = Number(groups?.["port"]);
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new ProxyError(
      "bad_setting",
      `CA_ADDR must be a host and a port such as ${DEFAULT_CA_ADDRESS}, got "${text}"`,
    );
  }
  return { host, port };
}

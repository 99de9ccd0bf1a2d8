import { isIP } from "node:net";
import { isSpiffeId } from "../../mesh/identity/is-spiffe-id.ts";
import { findFieldNameFault } from "../../mesh/resources/fields/header-rules.ts";
import type { AccessQuestion } from "../../operator/authorization/access.ts";
import type { ExplainedClient } from "../../operator/authorization/arrivals.ts";
import type { ExplainedRequest, HeaderLine } from "../../operator/authorization/explained-request.ts";
import { findTarget, type TargetName } from "../../operator/authorization/explained-target.ts";
import type { Configuration } from "../../operator/configuration/configuration.ts";
import { findPod } from "../../operator/workloads/find-by-name.ts";
import type { OptionTable } from "../command-line/command-description.ts";
import { UsageError } from "../usage-error.ts";
import { parseClaims } from "./parse-claims.ts";

/** Who asks whom for what: the options of `entente authz explain`. */
export const ACCESS_OPTIONS = {
  from: { type: "string", value: "POD[.NAMESPACE]", help: "the client: a pod or a workload", heading: "For explain" },
  "from-identity": {
    type: "string",
    value: "SPIFFE_ID",
    help: "the client: any that proves this identity, as spiffe://cluster.local/ns/NAMESPACE/sa/SERVICE_ACCOUNT",
  },
  plaintext: { type: "boolean", help: "the client: any that sends plaintext" },
  to: {
    type: "string",
    value: "NAME[.NAMESPACE]:PORT",
    help: "a service and its port, or a pod and the port on which it listens; service/NAME or pod/NAME says which",
  },
  method: { type: "string", value: "NAME", help: "the request's method (GET)" },
  path: { type: "string", value: "PATH", help: "the request's path with its query (/)" },
  header: { type: "string", multiple: true, value: "'NAME: VALUE'", help: "a header; host is the request's authority" },
  "token-claim": {
    type: "string",
    multiple: true,
    value: "NAME=VALUE",
    help: "a claim of a verified token; several of one name make a list, and a[b]=c is b inside of a",
  },
  "source-ip": { type: "string", value: "ADDRESS", help: "the client's address (that of the pod)" },
} as const satisfies OptionTable;

export interface AccessOptionValues {
  readonly from?: string | undefined;
  readonly "from-identity"?: string | undefined;
  readonly plaintext?: boolean | undefined;
  readonly to?: string | undefined;
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly header?: readonly string[] | undefined;
  readonly "token-claim"?: readonly string[] | undefined;
  readonly "source-ip"?: string | undefined;
}

/** A question whose pods and services are not looked up yet. */
export interface AccessOptions {
  readonly from: { readonly kind: "pod"; readonly name: string } | Exclude<ExplainedClient, { kind: "pod" }>;
  readonly to: TargetName;
  readonly request: ExplainedRequest;
  readonly sourceIp: string | undefined;
}

/** Checks the options before anything is read. @throws UsageError naming the option and the expected value */
export function parseAccessOptions(values: AccessOptionValues): AccessOptions {
  return {
    from: parseClient(values),
    to: parseTarget(values.to),
    request: parseRequest(values),
    sourceIp: parseSourceIp(values["source-ip"]),
  };
}

/** @throws OperatorError `not_found`, `ambiguous` */
export function findQuestion(
  configuration: Configuration,
  { from, to, request, sourceIp }: AccessOptions,
  namespace: string | undefined,
): AccessQuestion {
  const client =
    from.kind === "pod" ? { kind: from.kind, pod: findPod(configuration.set, from.name, namespace) } : from;
  return { client, target: findTarget(configuration, to, namespace), request, sourceIp };
}

function parseClient({ from, "from-identity": identity, plaintext }: AccessOptionValues): AccessOptions["from"] {
  const given = [from, identity, plaintext === true ? "" : undefined].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new UsageError(`exactly one of --from, --from-identity and --plaintext must be given, got ${given.length}`);
  }
  if (from !== undefined) return { kind: "pod", name: requireText(from, "--from", "a pod's name") };
  if (identity === undefined) return { kind: "plaintext" };
  if (isSpiffeId(identity)) return { kind: "identity", identity };
  const form = "spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT";
  throw new UsageError(`--from-identity must be ${form}, got "${identity}"`);
}

function parseTarget(text: string | undefined): TargetName {
  if (text === undefined) throw new UsageError("--to is missing: give a service or a pod, as NAME.NAMESPACE:PORT");
  const groups = /^(?:(?<kind>service|pod)\/)?(?<name>[^:/]+)(?::(?<port>[^:/]+))?$/.exec(text)?.groups;
  const kind = groups?.["kind"];
  if (groups === undefined || (kind !== undefined && kind !== "service" && kind !== "pod")) {
    throw new UsageError(`--to must be NAME[.NAMESPACE]:PORT, service/NAME:PORT or pod/NAME:PORT, got "${text}"`);
  }
  return { kind, name: groups["name"] ?? "", port: groups["port"] };
}

function parseRequest(values: AccessOptionValues): ExplainedRequest {
  const { method, path, header = [], "token-claim": claims = [] } = values;
  if (path !== undefined && !path.startsWith("/")) throw new UsageError(`--path must begin with /, got "${path}"`);
  if (method !== undefined && !/^[!#$%&'*+.^_`|~\w-]+$/.test(method)) {
    throw new UsageError(`--method must be the name of a method, such as GET, got "${method}"`);
  }
  const lines = header.map(parseHeader);
  return {
    isGiven: method !== undefined || path !== undefined || lines.length > 0 || claims.length > 0,
    method: method ?? "GET",
    path: path ?? "/",
    authority: lines.findLast(({ name }) => name === "host")?.value,
    headers: lines.filter(({ name }) => name !== "host"),
    claims: claims.length === 0 ? undefined : parseClaims(claims),
  };
}

function parseHeader(text: string): HeaderLine {
  const colon = text.indexOf(":");
  const name = text.slice(0, colon).toLowerCase();
  const fault = colon < 1 ? "has no name before a colon" : findFieldNameFault(name);
  if (fault !== undefined) throw new UsageError(`--header must be 'NAME: VALUE', got "${text}": it ${fault}`);
  return { name, value: text.slice(colon + 1).trim() };
}

function parseSourceIp(text: string | undefined): string | undefined {
  if (text === undefined || isIP(text) !== 0) return text;
  throw new UsageError(`--source-ip must be an IP address, got "${text}"`);
}

function requireText(text: string, option: string, what: string): string {
  if (text === "") throw new UsageError(`${option} must be ${what}, got ""`);
  return text;
}

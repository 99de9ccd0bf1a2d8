import { createNamed } from "../../kubernetes/create-named.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { splitCertificates } from "../../mesh/identity/pem-certificates.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { InjectorError } from "../injector-error.ts";
import { createWebhookAuthority, findAuthorityFault, isUnexpired, type WebhookAuthority } from "./webhook-authority.ts";

/** The authority that all replicas sign with, and the certificates that the API server has to trust. */
export interface SharedAuthority {
  readonly authority: WebhookAuthority;
  /** PEM: the authority's certificate, then the one before it, which other replicas may still use. */
  readonly bundle: string;
}

export interface AuthoritySecretDeps {
  readonly api: Pick<KubernetesApi, "get" | "apply" | "replace">;
  readonly namespace: string;
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly signal: AbortSignal;
}

const SECRET = { apiVersion: "v1", kind: "Secret", type: "Opaque" };
const CERTIFICATE = "ca-cert.pem";
const KEY = "ca-key.pem";
/** Another replica that writes at the same moment wins once; more often something else is wrong. */
const MAX_ATTEMPTS = 5;

/**
 * Reads the authority from its Secret, and creates or replaces it where it is missing, damaged or near its end. Several
 * replicas agree by compare-and-swap: one writes, the others read what it wrote.
 * @param held the authority that this process uses; its certificate stays trusted when another one takes its place
 */
export async function openSharedAuthority(
  deps: AuthoritySecretDeps,
  held: WebhookAuthority | undefined,
): Promise<SharedAuthority> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const shared = await attemptOpen(deps, held);
    if (shared !== undefined) return shared;
  }
  throw new InjectorError("webhook_authority", `the Secret ${deps.name}.${deps.namespace} changes all the time`);
}

/** @returns undefined if another replica has written in between */
async function attemptOpen(
  deps: AuthoritySecretDeps,
  held: WebhookAuthority | undefined,
): Promise<SharedAuthority | undefined> {
  const { api, namespace, name, clock, log, signal } = deps;
  const nowMs = clock.now();
  const secret = await api.get(KINDS.secrets, { namespace, name }, { signal });
  const stored = secret && readSecret(secret);
  const fault = stored === undefined ? "it is empty" : findAuthorityFault(stored.authority, nowMs);
  if (stored !== undefined && fault === undefined) return stored;
  const before = [...(stored?.certificates ?? []), ...(held === undefined ? [] : [held.certificate])];
  const shared = formatShared(createWebhookAuthority({ nowMs, randomBytes: deps.randomBytes }), before, nowMs);
  if (secret === undefined) log.info({ secret: name }, "a new authority for the webhook's certificates is created");
  else log.warn({ secret: name }, `the authority for the webhook's certificates is replaced: ${fault}`);
  return (await store(deps, secret, shared)) ? shared : undefined;
}

function formatShared(authority: WebhookAuthority, before: readonly string[], nowMs: number): SharedAuthority {
  const previous = before.find((certificate) => isUnexpired(certificate, nowMs));
  return { authority, bundle: [authority.certificate, ...(previous === undefined ? [] : [previous])].join("") };
}

async function store(
  deps: AuthoritySecretDeps,
  secret: KubernetesObject | undefined,
  { authority, bundle }: SharedAuthority,
): Promise<boolean> {
  const { api, namespace, name, signal } = deps;
  const data = { [CERTIFICATE]: encode(bundle), [KEY]: encode(authority.key) };
  if (secret === undefined) {
    const metadata = { namespace, name, labels: { app: "sidecar-injector" } };
    return (await createNamed(KINDS.secrets, { ...SECRET, metadata, data }, deps)) !== undefined;
  }
  try {
    await api.replace(KINDS.secrets, { ...secret, data }, { signal });
    return true;
  } catch (caught) {
    // Another replica was first.
    if (caught instanceof KubernetesApiError && caught.status === 409) return false;
    throw caught;
  }
}

function readSecret(secret: KubernetesObject) {
  const [certificate, ...others] = splitCertificates(decode(secret, CERTIFICATE));
  if (certificate === undefined) return undefined;
  const certificates = [certificate, ...others];
  return {
    authority: { certificate, key: decode(secret, KEY) },
    certificates,
    bundle: certificates.join(""),
  };
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64");
}

function decode({ data }: KubernetesObject, key: string): string {
  const value =
    typeof data === "object" && data !== null ? Object.entries(data).find(([name]) => name === key) : undefined;
  return typeof value?.[1] === "string" ? Buffer.from(value[1], "base64").toString() : "";
}

import { apiVersionOf, KINDS } from "../../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { CaError } from "../../ca-error.ts";
import { readOwnAuthority } from "../../rotation/storage/own-authority.ts";
import { OWN_FILE_NAMES } from "../../rotation/storage/own-file-names.ts";
import {
  AUTHORITY_FILE_NAMES,
  type AuthorityFiles,
  type FileTexts,
  ISTIO_FORM,
  selectAuthorityFiles,
} from "../authority-files.ts";
import type { RootPair } from "../self-signed-root.ts";

/** The operator's own authority, and the one that the control planes create for themselves. Istio's names. */
export const PLUGGED_IN_SECRET = "cacerts";
export const SELF_SIGNED_SECRET = "istio-ca-secret";
const SELF_SIGNED_TYPE = "istio.io/ca-root";

/** `Secret istio-system/cacerts`. */
export function describeSecret({ metadata }: KubernetesObject): string {
  return `Secret ${metadata.namespace}/${metadata.name}`;
}

/** The authority's files in a Secret; a CaError names the Secret, the key and the fix. */
export function readAuthoritySecret(secret: KubernetesObject): AuthorityFiles {
  const isOwn = secret.metadata.name === SELF_SIGNED_SECRET;
  const found = readSecretTexts(secret, isOwn ? OWN_FILE_NAMES : AUTHORITY_FILE_NAMES);
  const files = isOwn ? readOwnAuthority(found) : selectAuthorityFiles(found);
  if (files !== undefined) return files;
  const { from } = found;
  const names = Object.values(ISTIO_FORM).join(", ");
  throw new CaError(
    "authority_files",
    `${from} contains no authority: it needs ${names}, or tls.crt, tls.key and ca.crt`,
  );
}

/** The texts of these keys. Empty values count as absent: Istio's own Secret has some. */
export function readSecretTexts(secret: KubernetesObject, names: readonly string[]): FileTexts {
  const from = describeSecret(secret);
  const values = dataOf(secret);
  const texts = names.flatMap((name): readonly [string, string][] => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    const text = typeof value === "string" ? Buffer.from(value, "base64").toString("utf8") : "";
    return text.trim() === "" ? [] : [[name, text]];
  });
  return { from, locate: (name) => `${name} of ${from}`, texts: new Map(texts) };
}

/** The Secret with other texts under these keys, of which those without a text are removed. Everything else stays. */
export function withSecretTexts(
  secret: KubernetesObject,
  names: readonly string[],
  texts: Readonly<Record<string, string>>,
): KubernetesObject {
  const kept = Object.entries(dataOf(secret)).filter(([name]) => !names.includes(name));
  return { ...secret, data: { ...Object.fromEntries(kept), ...encode(texts) } };
}

/** The Secret of a new self-signed root, with all keys that Istio's has; the last two are always empty. */
export function formatSelfSignedSecret(namespace: string, { certificatePem, keyPem }: RootPair): KubernetesObject {
  const texts = {
    [ISTIO_FORM.certificate]: certificatePem,
    [ISTIO_FORM.key]: keyPem,
    [ISTIO_FORM.roots]: certificatePem,
    [ISTIO_FORM.chain]: "",
    "key.pem": "",
  };
  return {
    apiVersion: apiVersionOf(KINDS.secrets),
    kind: KINDS.secrets.kind,
    metadata: { name: SELF_SIGNED_SECRET, namespace },
    type: SELF_SIGNED_TYPE,
    data: encode(texts),
  };
}

/** An existing Secret, to be created again after it was deleted. */
export function formatRestoredSecret(secret: KubernetesObject): KubernetesObject {
  const { name, namespace = "", labels } = secret.metadata;
  const { apiVersion, kind } = secret;
  const content = { type: secret["type"], data: secret["data"] };
  return { apiVersion, kind, metadata: { name, namespace, ...(labels && { labels }) }, ...content };
}

function encode(texts: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString("base64")]));
}

function dataOf(secret: KubernetesObject): Readonly<Record<string, unknown>> {
  const data = secret["data"];
  return typeof data === "object" && data !== null ? { ...data } : {};
}

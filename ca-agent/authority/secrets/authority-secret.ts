import { apiVersionOf, KINDS } from "../../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { CaError } from "../../ca-error.ts";
import { AUTHORITY_FILE_NAMES, type AuthorityFiles, ISTIO_FORM, selectAuthorityFiles } from "../authority-files.ts";
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
  const from = describeSecret(secret);
  const locate = (name: string): string => `${name} of ${from}`;
  const files = selectAuthorityFiles({ from, locate, texts: readTexts(secret["data"]) });
  if (files !== undefined) return files;
  const names = Object.values(ISTIO_FORM).join(", ");
  throw new CaError(
    "authority_files",
    `${from} contains no authority: it needs ${names}, or tls.crt, tls.key and ca.crt`,
  );
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
  const data = Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString("base64")]);
  return {
    apiVersion: apiVersionOf(KINDS.secrets),
    kind: KINDS.secrets.kind,
    metadata: { name: SELF_SIGNED_SECRET, namespace },
    type: SELF_SIGNED_TYPE,
    data: Object.fromEntries(data),
  };
}

/** An existing Secret, to be created again after it was deleted. */
export function formatRestoredSecret(secret: KubernetesObject): KubernetesObject {
  const { name, namespace = "", labels } = secret.metadata;
  const { apiVersion, kind } = secret;
  const content = { type: secret["type"], data: secret["data"] };
  return { apiVersion, kind, metadata: { name, namespace, ...(labels && { labels }) }, ...content };
}

/** Empty values count as absent: Istio's own Secret has some. */
function readTexts(data: unknown): ReadonlyMap<string, string> {
  const values: Readonly<Record<string, unknown>> = typeof data === "object" && data !== null ? { ...data } : {};
  const texts = AUTHORITY_FILE_NAMES.flatMap((name): readonly [string, string][] => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    const text = typeof value === "string" ? Buffer.from(value, "base64").toString("utf8") : "";
    return text.trim() === "" ? [] : [[name, text]];
  });
  return new Map(texts);
}

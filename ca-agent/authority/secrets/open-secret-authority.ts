import { createNamed } from "../../../kubernetes/create-named.ts";
import { KINDS } from "../../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import type { TrustDomain } from "../../../mesh/identity/spiffe-id.ts";
import type { Clock, Logger, Random } from "../../../mesh/runtime.ts";
import { CaError } from "../../ca-error.ts";
import { ROOT_CONFIG_MAP, readPublishedRoots } from "../../trust-distribution/root-config-map.ts";
import type { RandomBytes } from "../../x509/certificate.ts";
import { createLiveAuthority, type LiveAuthority } from "../live-authority.ts";
import { type CompareClock, requireRightClock } from "../root-clock.ts";
import { createSelfSignedRoot } from "../self-signed-root.ts";
import { warnOfStrictFaults } from "../strict-faults.ts";
import { describeMaterial, parseTrustedMaterial } from "../trusted-material.ts";
import {
  describeSecret,
  formatSelfSignedSecret,
  PLUGGED_IN_SECRET,
  readAuthoritySecret,
  SELF_SIGNED_SECRET,
} from "./authority-secret.ts";
import { checkPublishedRoots } from "./published-roots.ts";

export interface SecretAuthorityOptions {
  readonly api: KubernetesApi;
  /** The mesh's root namespace. */
  readonly namespace: string;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
  readonly randomBytes: RandomBytes;
  readonly log: Logger;
  /** @default the live authority's */
  readonly publishMs?: number | undefined;
  /** Asked before a root is created. @default this process's clock is right */
  readonly compareClock?: CompareClock | undefined;
}

/** An authority, and the Secret that it was read from. */
export interface OpenedAuthority {
  readonly authority: LiveAuthority;
  readonly secret: KubernetesObject;
}

/**
 * Opens the authority once: of the Secret `cacerts`, else of `istio-ca-secret`, else of a new root, which is stored there.
 * Several control planes that start at once agree: only one can create the Secret, and the others read it. Throws a
 * CaError or a KubernetesApiError; nothing is overwritten.
 */
export async function openSecretAuthority(options: SecretAuthorityOptions): Promise<OpenedAuthority> {
  const { api, namespace, clock, log, randomBytes, publishMs } = options;
  const secret = (await readSecret(options, PLUGGED_IN_SECRET)) ?? (await obtainSelfSigned(options));
  const material = await parseTrustedMaterial(readAuthoritySecret(secret), options);
  const from = describeSecret(secret);
  const publishedPem = await readPublished(api, namespace);
  const { roots, rotation } = material;
  checkPublishedRoots({ namespace, from, roots, signingRoot: material.root.toString(), rotation, publishedPem });
  log.info({ ...describeMaterial(material), from }, "certificate authority opened");
  warnOfStrictFaults(material, from, log);
  return { secret, authority: createLiveAuthority(material, { clock, log, randomBytes, publishMs }) };
}

async function obtainSelfSigned(options: SecretAuthorityOptions): Promise<KubernetesObject> {
  const { api, namespace, trustDomain, clock, randomBytes, log } = options;
  const existing = await readSecret(options, SELF_SIGNED_SECRET);
  if (existing !== undefined) return existing;
  const from = `Secret ${namespace}/${SELF_SIGNED_SECRET}`;
  checkPublishedRoots({ namespace, from, roots: undefined, publishedPem: await readPublished(api, namespace) });
  await requireRightClock(options.compareClock);
  const root = createSelfSignedRoot({ trustDomain, nowMs: clock.now(), randomBytes });
  const created = await createNamed(KINDS.secrets, formatSelfSignedSecret(namespace, root), options);
  if (created !== undefined) {
    log.info({ component: "ca-agent", from }, "created a new self-signed root");
    return created;
  }
  // Another control plane was faster.
  const theirs = await readSecret(options, SELF_SIGNED_SECRET);
  if (theirs === undefined) throw new CaError("authority_files", `${from} was created and deleted at the same moment`);
  return theirs;
}

function readSecret({ api, namespace }: SecretAuthorityOptions, name: string): Promise<KubernetesObject | undefined> {
  return api.get(KINDS.secrets, { namespace, name });
}

async function readPublished(api: KubernetesApi, namespace: string): Promise<string> {
  return readPublishedRoots(await api.get(KINDS.configMaps, { namespace, name: ROOT_CONFIG_MAP }));
}

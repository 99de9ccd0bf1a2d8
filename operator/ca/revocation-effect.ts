import type { RevocationTarget } from "../../ca-agent/control/control-state.ts";
import { readPodTag } from "../../mesh/identity/pod-tag.ts";
import { normalizeSerialNumber } from "../../mesh/identity/serial-number.ts";
import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import type { ConnectedProxy } from "../proxies/connected-proxies.ts";
import type { ControlPlaneReplica } from "../proxies/sync-page.ts";
import { AffectedProxies } from "./affected-proxies.ts";
import { findRefusals } from "./authority-problems.ts";
import { readAuthorities } from "./authority-report.ts";
import type { AuthorityReplica } from "./read-authority.ts";
import { describeTarget } from "./revocation-entries.ts";

export interface RevocationQuestion {
  readonly target: RevocationTarget;
  readonly replicas: readonly AuthorityReplica[];
  /** Of the mesh: the control plane's. */
  readonly rootNamespace: string;
}

/** What a revocation does now. */
export type RevocationEffect =
  | { readonly kind: "refused"; readonly reason: string }
  | {
      readonly kind: "effective";
      /** One sentence. */
      readonly consequence: string;
      /** The connected proxies that it refuses, `NAME.NAMESPACE`. */
      readonly affected: readonly string[];
      /** ISO 8601: when the certificate ends. Absent: not known, or the target is no certificate. */
      readonly expiresAt?: string;
      readonly warnings: readonly string[];
    };

/** Judges a revocation by what the control planes know of the connected proxies. */
export function foreseeRevocation(question: RevocationQuestion): RevocationEffect {
  const { target, replicas } = question;
  const refusal = findRefusal(question);
  if (refusal !== undefined) return { kind: "refused", reason: refusal };
  const proxies = new AffectedProxies(replicas);
  const hit = proxies.find(target);
  const expiresAt = target.kind === "serial" ? hit[0]?.proxy.certificate?.notAfter : undefined;
  return {
    kind: "effective",
    consequence: CONSEQUENCES[target.kind],
    affected: hit.map(({ proxy }) => `${proxy.pod}.${proxy.namespace}`),
    ...(expiresAt !== undefined && { expiresAt }),
    warnings: [
      ...findUnread(replicas),
      ...findRefusals({ replicas }).map((refusal) => `it may not be in force until this is repaired: ${refusal}`),
      ...(isNextRoot(target, replicas) ? [NEXT_ROOT] : findUnconnected(target, hit, proxies)),
      ...findUntagged(target, hit),
      ...findOtherNames(target, hit),
      ...findOwn(question, hit),
    ],
  };
}

/** Node writes `0A1B` for what is stored as `A1B`. */
function isSameNumber(one: string, other: string): boolean {
  return normalizeSerialNumber(one) === normalizeSerialNumber(other);
}

const NEXT_ROOT =
  "it is the root that a rotation has published and that does not sign yet: the rotation goes back to the one that signs";

const CONSEQUENCES: Readonly<Record<RevocationTarget["kind"], string>> = {
  serial: "every proxy refuses it and closes its connections; its pod replaces it at once, by its token",
  identity:
    "every proxy refuses all of its certificates and closes their connections, and no new one is issued, until it is lifted",
  pod: "every proxy refuses its certificates and closes their connections, and no new one is issued to it",
};

/**
 * The control plane's own certificate has DNS names and no identity, so nothing of it can be revoked here. Without the root
 * that signs no certificate of the mesh would be accepted, not even those of new pods. Another one, that is about to leave,
 * may be revoked: its workloads get certificates of the one that signs.
 */
function findRefusal({ target, replicas, rootNamespace }: RevocationQuestion): string | undefined {
  if (isSigningRoot(target, replicas)) {
    return (
      `${describeTarget(target)} is the root that signs: all connections would end, and none would begin. ` +
      "Replace it instead: entente ca rotate-root, or for an operator's own root edit root-cert.pem"
    );
  }
  if (isSigner(target, replicas)) {
    return (
      `${describeTarget(target)} is an authority that issues the mesh's certificates: all connections would end, and none would ` +
      "begin. Replace it first, in ca-cert.pem, ca-key.pem and cert-chain.pem, and revoke it when what it has issued has expired"
    );
  }
  const isItsIdentity = target.kind === "identity" && isControlPlane(target.identity, rootNamespace);
  const isItsPod = target.kind === "pod" && replicas.some(({ pod }) => pod === `${target.name}.${target.namespace}`);
  if (!isItsIdentity && !isItsPod) return undefined;
  return (
    `${describeTarget(target)} is the control plane's own: it proves itself by its DNS names, and revoking this would ` +
    "change nothing. If its key is in other hands, replace the root: entente ca rotate-root"
  );
}

function isSigningRoot(target: RevocationTarget, replicas: readonly AuthorityReplica[]): boolean {
  if (target.kind !== "serial") return false;
  const signing = readAuthorities(replicas).flatMap(({ roots }) => roots.filter(({ isSigning }) => isSigning));
  return signing.some(({ serialNumber = "" }) => isSameNumber(serialNumber, target.serialNumber));
}

function isNextRoot(target: RevocationTarget, replicas: readonly AuthorityReplica[]): boolean {
  if (target.kind !== "serial") return false;
  const rotating = readAuthorities(replicas).filter(({ rotation }) => rotation?.phase === "published");
  const next = rotating.flatMap(({ roots }) => roots.filter(({ isSigning }) => !isSigning));
  return next.some(({ serialNumber = "" }) => isSameNumber(serialNumber, target.serialNumber));
}

/** An intermediate one: the root is not in the cluster. */
function isSigner(target: RevocationTarget, replicas: readonly AuthorityReplica[]): boolean {
  if (target.kind !== "serial") return false;
  const serialNumbers = readAuthorities(replicas).flatMap(({ signer }) => signer?.serialNumbers ?? []);
  return serialNumbers.some((one) => isSameNumber(one, target.serialNumber));
}

/** `istiod`, or that of a revision. */
function isControlPlane(identity: SpiffeId, rootNamespace: string): boolean {
  const { namespace, serviceAccount } = spiffeIdParts(identity);
  return namespace === rootNamespace && /^istiod(?:-|$)/.test(serviceAccount);
}

function findUnread(replicas: readonly ControlPlaneReplica[]): readonly string[] {
  if (replicas.length === 0) return ["there is no control plane to ask: how many proxies are affected is not known"];
  return replicas.flatMap(({ pod, page }) =>
    page.kind === "failed" ? [`${pod} could not be asked, so more proxies may be affected: ${page.reason}`] : [],
  );
}

function findUnconnected(
  target: RevocationTarget,
  hit: readonly ConnectedProxy[],
  { trustDomains }: AffectedProxies,
): readonly string[] {
  if (hit.length > 0) return [];
  return [
    `no connected proxy has this ${WORDS[target.kind]}: check the spelling${describeMistake(target, trustDomains)}`,
  ];
}

/** What is known of a target that no connected proxy has. */
function describeMistake(target: RevocationTarget, trustDomains: readonly string[]): string {
  switch (target.kind) {
    case "serial":
      return "; the entry stays until it is lifted, because it is not known when it ends";
    case "identity": {
      const { trustDomain } = spiffeIdParts(target.identity);
      const isOwn = trustDomains.length === 0 || trustDomains.includes(trustDomain);
      return isOwn ? "" : `; ${trustDomain} is no trust domain of this mesh, which has ${trustDomains.join(", ")}`;
    }
    case "pod":
      return "";
  }
}

/** Until it is renewed: half of its lifetime at most. */
function findUntagged(target: RevocationTarget, hit: readonly ConnectedProxy[]): readonly string[] {
  if (target.kind !== "pod") return [];
  const serials = hit.flatMap(({ proxy: { certificate } }) => {
    const serialNumber = normalizeSerialNumber(certificate?.serialNumber ?? "");
    return serialNumber === "" || readPodTag(serialNumber) !== undefined ? [] : [serialNumber];
  });
  return serials.map(
    (serialNumber) =>
      `its certificate ${serialNumber} is of an earlier version or of another authority, and names no pod: revoke ` +
      `--serial ${serialNumber} too, and the identity if there may be others`,
  );
}

/** A proxy says itself which pod it is. The operator may as well have taken the uid of another pod. */
function findOtherNames(target: RevocationTarget, hit: readonly ConnectedProxy[]): readonly string[] {
  if (target.kind !== "pod") return [];
  const others = hit.filter(({ proxy }) => proxy.namespace !== target.namespace || proxy.pod !== target.name);
  return others.map(
    ({ proxy }) => `${proxy.pod}.${proxy.namespace} has a certificate of this pod, and another name: check the uid`,
  );
}

const WORDS: Readonly<Record<RevocationTarget["kind"], string>> = {
  serial: "certificate",
  identity: "identity",
  pod: "pod",
};

/** A serial number is replaced at once, by the pod itself. */
function findOwn({ target, rootNamespace }: RevocationQuestion, hit: readonly ConnectedProxy[]): readonly string[] {
  if (target.kind === "serial") return [];
  const own = hit.filter(({ proxy }) => proxy.namespace === rootNamespace);
  if (own.length === 0) return [];
  const names = own.map(({ proxy }) => `${proxy.pod}.${proxy.namespace}`).join(", ");
  return [`${names} belongs to the mesh itself: what comes in through a gateway there is cut off`];
}

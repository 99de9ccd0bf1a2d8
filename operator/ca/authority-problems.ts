import type { AuthorityStatus } from "../../ca-agent/authority/authority-status.ts";
import type { ConnectedProxy } from "../proxies/connected-proxies.ts";
import type { AuthorityReplica } from "./read-authority.ts";

export interface AuthorityFacts {
  readonly replicas: readonly AuthorityReplica[];
  readonly proxies: readonly ConnectedProxy[];
  /** That are in force. */
  readonly revocations: { readonly certificates: number; readonly identities: number; readonly pods: number };
  readonly nowMs: number;
}

/** An acknowledgement takes milliseconds: this long, and something is wrong. */
const ACKNOWLEDGEMENT_MS = 15_000;
const SHOWN_NAMES = 3;
/** A client chooses its reason. */
const SHOWN_REASONS = 3;

/** What an operator should look at, one sentence each, with the fix. */
export function findAuthorityProblems(facts: AuthorityFacts): readonly string[] {
  return [
    ...findUnread(facts),
    ...findRefusals(facts),
    ...findRevokedSigners(facts),
    ...findRotationFaults(facts),
    ...findDifferences(facts),
    ...findTrustProblems(facts),
    ...findLateRevocations(facts),
  ];
}

/** The control planes that could not be asked, each with the reason; or that there is none. */
export function findUnread({ replicas }: Pick<AuthorityFacts, "replicas">): readonly string[] {
  if (replicas.length === 0) return ["there is no control plane: is it installed in this namespace (-i)?"];
  return replicas.flatMap(({ pod, page, authority }) => {
    const failed = [page, authority].find(({ kind }) => kind === "failed");
    return failed?.kind === "failed" ? [`${pod}: ${failed.reason}`] : [];
  });
}

/** What control planes refuse of what is stored: each reason once, with all that have it. */
export function findRefusals({ replicas }: Pick<AuthorityFacts, "replicas">): readonly string[] {
  const refused = replicas.flatMap(({ pod, authority }) =>
    authority.kind === "read" ? (authority.refused ?? []).map((reason) => ({ pod, reason })) : [],
  );
  return [...Map.groupBy(refused, ({ reason }) => reason)].map(
    ([reason, same]) => `${same.map(({ pod }) => pod).join(", ")} ${reason}`,
  );
}

/** By a ca-crl.pem, or an edit of what is stored: `entente ca revoke` refuses it. Each once, with all that sign by it. */
function findRevokedSigners({ replicas }: AuthorityFacts): readonly string[] {
  const signers = replicas.flatMap(({ pod, authority }) => {
    const revoked = authority.kind === "read" ? authority.signer?.revoked : undefined;
    return typeof revoked === "string" ? [{ pod, revoked }] : [];
  });
  return [...Map.groupBy(signers, ({ revoked }) => revoked)].map(
    ([revoked, same]) =>
      `${same.map(({ pod }) => pod).join(", ")} signs by the certificate ${revoked}, which is revoked: no proxy accepts what it ` +
      `issues. Lift it (entente ca unrevoke --serial ${revoked}, or a newer list in ca-crl.pem), or replace the authority`,
  );
}

/** Of the one that leads. */
export function findRotationFaults({ replicas }: Pick<AuthorityFacts, "replicas">): readonly string[] {
  return replicas.flatMap(({ pod, authority }) => {
    const fault = authority.kind === "read" ? authority.rotation?.fault : undefined;
    return typeof fault === "string" ? [`${pod} cannot rotate the root, and tries again: ${fault}`] : [];
  });
}

/** All replicas follow one stored state: a difference that stays means that one cannot read it. */
function findDifferences({ replicas }: AuthorityFacts): readonly string[] {
  const read = replicas.flatMap(({ pod, authority }) => (authority.kind === "read" ? [{ pod, authority }] : []));
  const [first, ...others] = read;
  if (first === undefined) return [];
  return others.flatMap(({ pod, authority }) => {
    const what = differenceOf(first.authority, authority);
    if (what === undefined) return [];
    return [`${pod} has ${what} than ${first.pod}: for more than a few seconds, its log has the reason`];
  });
}

function differenceOf(one: AuthorityStatus, other: AuthorityStatus): string | undefined {
  if (one.rotation?.phase !== other.rotation?.phase) return "another phase of the rotation";
  if (fingerprints(one) !== fingerprints(other)) return "other roots";
  return signerOf(one) === signerOf(other) ? undefined : "another signing root";
}

function fingerprints({ roots }: AuthorityStatus): string {
  return roots
    .map(({ fingerprint }) => fingerprint)
    .toSorted()
    .join(" ");
}

function signerOf({ roots }: AuthorityStatus): string | undefined {
  return roots.find(({ isSigning }) => isSigning)?.fingerprint;
}

function findTrustProblems({ replicas, proxies, nowMs }: AuthorityFacts): readonly string[] {
  const authorities = replicas.flatMap(({ authority }) => (authority.kind === "read" ? [authority] : []));
  if (authorities.length === 0) return [];
  const known = new Set(authorities.flatMap(({ roots }) => roots.map(({ fingerprint }) => fingerprint)));
  const signing = authorities.flatMap((authority) => signerOf(authority) ?? []);
  // The page of an older control plane says of no proxy what it trusts.
  const settled = proxies.filter(
    ({ proxy }) => proxy.certificate !== undefined && nowMs - Date.parse(proxy.connectedSince) > ACKNOWLEDGEMENT_MS,
  );
  return [
    ...describe(
      settled.filter(({ proxy }) => !signing.every((root) => proxy.trustedRoots?.includes(root) === true)),
      "does not trust the root that signs: see the log of its container istio-proxy",
    ),
    ...describe(
      proxies.filter(({ proxy }) => proxy.certificate !== undefined && !known.has(proxy.certificate.rootFingerprint)),
      "has a certificate of a root that is not trusted any more: it must renew it, see the log of its container istio-proxy",
    ),
    ...findRejections(proxies),
  ];
}

/** It keeps the bundle before, so that it will not trust peers with a certificate of the new root. */
function findRejections(proxies: readonly ConnectedProxy[]): readonly string[] {
  const reasonOf = ({ proxy }: ConnectedProxy): string =>
    proxy.rejections.find(({ resource }) => resource === "trust bundle")?.reason ?? "";
  return [...Map.groupBy(proxies, reasonOf)]
    .filter(([reason]) => reason !== "")
    .slice(0, SHOWN_REASONS)
    .flatMap(([reason, rejecting]) => describe(rejecting, `does not accept the trust bundle: ${reason}`));
}

/** Fewer than are in force: this replica has not read all of them. More is normal: those of a CRL. */
function findLateRevocations({ replicas, revocations }: AuthorityFacts): readonly string[] {
  const late = replicas.filter(
    ({ authority }) =>
      authority.kind === "read" &&
      (authority.revoked.certificates < revocations.certificates ||
        authority.revoked.identities < revocations.identities ||
        (authority.revoked.pods ?? revocations.pods) < revocations.pods),
  );
  return late.map(
    ({ pod }) => `${pod} does not distribute all revocations: for more than a few seconds, its log has the reason`,
  );
}

function describe(proxies: readonly ConnectedProxy[], what: string): readonly string[] {
  if (proxies.length === 0) return [];
  const names = proxies.slice(0, SHOWN_NAMES).map(({ proxy }) => `${proxy.pod}.${proxy.namespace}`);
  const more = proxies.length > SHOWN_NAMES ? ` and ${proxies.length - SHOWN_NAMES} more` : "";
  return [`${names.join(", ")}${more}: ${what}`];
}

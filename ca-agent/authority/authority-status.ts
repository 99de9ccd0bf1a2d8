import { X509Certificate } from "node:crypto";
import { normalizeSerialNumber } from "../../mesh/identity/serial-number.ts";
import type { RevocationIndex } from "../../mesh/policy/authentication/revocations.ts";

/** A certificate authority as operators see it, at one control plane. It contains no key. */
export interface AuthorityStatus {
  /** The trusted roots, in the order of the trust bundle. */
  readonly roots: readonly RootStatus[];
  /** The mesh's own and its aliases. Absent: the control plane is of an earlier version. */
  readonly trustDomains?: readonly string[] | undefined;
  /** Absent: the control plane is of an earlier version. */
  readonly signer?: SignerStatus | undefined;
  /** `null`: the control planes do not rotate this root. It is the operator's own, and replaced by the operator. */
  readonly rotation: RotationStatus | null;
  /** How many of each this control plane distributes as revoked. */
  readonly revoked: {
    readonly certificates: number;
    readonly identities: number;
    /** Absent: the control plane is of an earlier version. */
    readonly pods?: number | undefined;
  };
  /**
   * What is stored and not in force here, with the reason and the fix: one sentence each. Absent: the control plane is of an
   * earlier version.
   */
  readonly refused?: readonly string[] | undefined;
  /**
   * What of the authority in force others than proxies may refuse, with the fix: one sentence each. Absent: the control plane
   * is of an earlier version.
   */
  readonly warnings?: readonly string[] | undefined;
}

export interface RootStatus {
  /** SHA-256, as `X509Certificate.fingerprint256`. */
  readonly fingerprint: string;
  /** Hexadecimal, upper case, without leading zeros. Absent: the control plane is of an earlier version. */
  readonly serialNumber?: string | undefined;
  /** ISO 8601, as are all times. */
  readonly notBefore: string;
  readonly notAfter: string;
  /** Whether new certificates lead to it. */
  readonly isSigning: boolean;
}

/** The certificates that every new certificate depends on. */
export interface SignerStatus {
  /** From the one that signs to its root, as `RootStatus.serialNumber`. */
  readonly serialNumbers: readonly string[];
  /** The first of them that is revoked. `null`: none is. */
  readonly revoked: string | null;
}

/** The rotation of a self-signed root. */
export interface RotationStatus {
  /**
   * - `steady`: one root, no rotation is in progress.
   * - `published`: a second root is trusted and does not sign yet.
   * - `signing`: it signs, and the first one is still trusted.
   * - `withdrawing`: that was rolled back. The first one signs again, and the second one is still trusted.
   */
  readonly phase: "steady" | "published" | "signing" | "withdrawing";
  /** Why it began. `null`: none is in progress. Absent: the control plane is of an earlier version. */
  readonly cause?: "request" | "age" | null | undefined;
  /** `null`: since the root was created. */
  readonly since: string | null;
  /** What the next step waits for, in one sentence. `null`: for nothing. */
  readonly waiting: string | null;
  /** When the next step is taken at the latest. `null`: there is no limit. */
  readonly until: string | null;
  /** The id of the operator's request that was answered last, or is being answered. `null`: none ever was. */
  readonly requestId: string | null;
  /** Why the last rotation was rolled back, or the present one is. `null`: it was not. */
  readonly rolledBack: string | null;
  /**
   * Why this control plane, which leads, could not take the last step; it is tried again. `null`: it could, or another one
   * leads. Absent: the control plane is of an earlier version.
   */
  readonly fault?: string | null | undefined;
}

/** @param path from the certificate that signs to its root. */
export function describeSigner(path: readonly X509Certificate[], revocations: RevocationIndex): SignerStatus {
  const revoked = revocations.find(path);
  return {
    serialNumbers: path.map(({ serialNumber }) => normalizeSerialNumber(serialNumber)),
    revoked: revoked?.kind === "certificate" ? revoked.serialNumber : null,
  };
}

/** @param roots PEM, one certificate each. @param signingRoot the one of them that signs, PEM. */
export function describeRoots(roots: readonly string[], signingRoot: string): readonly RootStatus[] {
  const signing = new X509Certificate(signingRoot).fingerprint256;
  return roots.map((pem) => {
    const { fingerprint256: fingerprint, serialNumber, validFromDate, validToDate } = new X509Certificate(pem);
    return {
      fingerprint,
      serialNumber: normalizeSerialNumber(serialNumber),
      notBefore: validFromDate.toISOString(),
      notAfter: validToDate.toISOString(),
      isSigning: fingerprint === signing,
    };
  });
}

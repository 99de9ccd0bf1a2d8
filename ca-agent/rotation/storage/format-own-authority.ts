import { ISTIO_FORM } from "../../authority/authority-files.ts";
import type { RootPair } from "../../authority/self-signed-root.ts";
import {
  fingerprintOf,
  type RotationState,
  type SigningState,
  trustedRoots,
  type WithdrawingState,
} from "../rotation-state.ts";
import { NAMES } from "./own-file-names.ts";
import { formatRotationRecord, type RotationRecord } from "./rotation-record.ts";

/** The texts by name; all that are not among them must be absent. */
export function formatOwnAuthority(state: RotationState): Readonly<Record<string, string>> {
  const { certificatePem, keyPem } = state.current;
  return {
    [ISTIO_FORM.key]: keyPem,
    [ISTIO_FORM.certificate]: certificatePem,
    [ISTIO_FORM.roots]: trustedRoots(state).join(""),
    [ISTIO_FORM.chain]: (state.kind === "signing" ? state.crossSignedPem : undefined) ?? "",
    ...(state.kind === "published" && formatPair(state.next, NAMES.nextCertificate, NAMES.nextKey)),
    ...(state.kind === "signing" && formatPair(state.previous, NAMES.previousCertificate, NAMES.previousKey)),
    ...(state.revision > 0 && { [NAMES.record]: formatRotationRecord(recordOf(state)) }),
  };
}

function formatPair({ certificatePem, keyPem }: RootPair, certificateName: string, keyName: string) {
  return { [certificateName]: certificatePem, [keyName]: keyPem };
}

function recordOf(state: RotationState): RotationRecord {
  const { revision, requestId, dropped } = state;
  const base = { revision, requestId, dropped, current: fingerprintOf(state.current.certificatePem) };
  switch (state.kind) {
    case "steady":
      return { ...base, kind: state.kind, last: state.last };
    case "published": {
      const { kind, cause, sinceMs, countedMs, next } = state;
      return { ...base, kind, cause, sinceMs, countedMs, next: fingerprintOf(next.certificatePem) };
    }
    case "signing": {
      return { ...base, kind: state.kind, ...leavingOf(state), previous: fingerprintOf(state.previous.certificatePem) };
    }
    case "withdrawing": {
      const { kind, reason, leavingPem } = state;
      return { ...base, kind, reason, ...leavingOf(state), leaving: fingerprintOf(leavingPem) };
    }
  }
}

function leavingOf({ cause, sinceMs, countedMs, isFollowed, leavesEndMs }: SigningState | WithdrawingState) {
  return { cause, sinceMs, countedMs, isFollowed, leavesEndMs };
}

import type { LogFields, Logger } from "../../mesh/runtime.ts";
import type { Revocation, RevocationTarget } from "../control/control-state.ts";
import { isInForce, keyOfTarget } from "./revocation-entries.ts";

/** Lines for one change; what is revoked beyond them is counted. */
const MAX_LINES = 1000;

/**
 * The audit trail of revocations: a line for each that comes into force, is lifted or ends. Not limited by time, since only
 * an operator causes them.
 */
export function createRevocationReport(log: Logger, now: () => number) {
  return (before: readonly Revocation[], after: readonly Revocation[]): void => {
    const [old, next] = [before, after].map((all) => new Map(all.map((entry) => [keyOfTarget(entry.what), entry])));
    const added = after.filter(({ what }) => !old?.has(keyOfTarget(what)));
    const removed = before.filter(({ what }) => !next?.has(keyOfTarget(what)));
    for (const revocation of added.slice(0, MAX_LINES)) {
      log.warn({ ...describe(revocation), code: "revoked" }, "a revocation is in force");
    }
    for (const revocation of removed.slice(0, MAX_LINES)) {
      if (isInForce(revocation, now())) {
        log.warn({ ...describe(revocation), code: "unrevoked" }, "a revocation was lifted");
      } else {
        log.info(
          { ...describe(revocation), code: "revocation_expired" },
          "a revocation has ended with its certificate",
        );
      }
    }
    const left = Math.max(0, added.length - MAX_LINES) + Math.max(0, removed.length - MAX_LINES);
    if (left > 0) log.warn({ component: "ca-agent", left }, "more revocations have changed than are listed");
  };
}

function describe({ what, revokedAt, expiresAt, reason }: Revocation): LogFields {
  return { component: "ca-agent", ...describeTarget(what), revokedAt, expiresAt, reason };
}

function describeTarget(what: RevocationTarget): LogFields {
  switch (what.kind) {
    case "serial":
      return { serialNumber: what.serialNumber };
    case "identity":
      return { peer: what.identity };
    case "pod":
      return { pod: `${what.namespace}/${what.name}`, uid: what.uid };
  }
}

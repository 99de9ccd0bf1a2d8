import type { RevokedCertificate } from "../../../mesh/policy/types.ts";
import type { VerifiedList } from "./verify-lists.ts";

/** Lists by issuer and key. */
export type ListsByKey = ReadonlyMap<string, VerifiedList>;

/**
 * An operator's statement that lists which are not in the same text are withdrawn. Without it a list that is removed stays
 * in force: a deletion may be a mistake, this line is not.
 */
const NO_OTHER_LISTS = /^# no other lists[ \t]*\r?$/m;

/** A text of lists without that statement, and whether it was there. */
export function readStatement(text: string): { readonly pem: string; readonly isComplete: boolean } {
  return { pem: text.replace(NO_OTHER_LISTS, ""), isComplete: NO_OTHER_LISTS.test(text) };
}

/** Several lists of one issuer in one text: a certificate in any of them is revoked; the newest says how old they are. */
export function mergeLists(lists: readonly VerifiedList[]): ListsByKey {
  const merged = new Map<string, VerifiedList>();
  for (const list of lists.toSorted(compareAge)) {
    const serialNumbers = [...(merged.get(list.key)?.serialNumbers ?? []), ...list.serialNumbers];
    merged.set(list.key, { ...list, serialNumbers: [...new Set(serialNumbers)] });
  }
  return merged;
}

/** A list that is older than the one in force of the same issuer; by its number where both are of the same second. */
export function findOlder(lists: ListsByKey, inForce: ListsByKey): VerifiedList | undefined {
  return [...lists.values()].find((list) => {
    const known = inForce.get(list.key);
    return known !== undefined && compareAge(list, known) < 0;
  });
}

/** Negative: the first one is older. */
function compareAge(one: VerifiedList, other: VerifiedList): number {
  if (one.thisUpdateMs !== other.thisUpdateMs) return one.thisUpdateMs - other.thisUpdateMs;
  if (one.number === undefined || other.number === undefined || one.number === other.number) return 0;
  return one.number < other.number ? -1 : 1;
}

/** What the lists revoke. */
export function entriesOf(lists: ListsByKey): readonly RevokedCertificate[] {
  return [...lists.values()].flatMap(({ issuer, serialNumbers }) =>
    serialNumbers.map((serialNumber) => ({ serialNumber, issuer })),
  );
}

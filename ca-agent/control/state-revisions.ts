import type { Clock, Random } from "../../mesh/runtime.ts";
import { addRevocations, dropExpired } from "../revocation/revocation-entries.ts";
import type { ControlState } from "./control-state.ts";

/** So many changes between a backup and what a control plane has in force are told from one that is not of the backup. */
export const MAX_REVISIONS = 64;

/** Fifteen digits: in milliseconds of the epoch more than thirty thousand years. */
export const LAST_REVISION = 999_999_999_999_999;

/** Where a clock is behind the last revision, two changes of one state must not get the same next one. */
const MAX_STEP = 1000;

/**
 * A changed state with its revision: the time in milliseconds, so that a change after a restored backup is later than all that
 * was lost; at least higher than the last one, so that a wrong clock cannot make it earlier. At the end of the range, which
 * only a damaged document reaches, the revision stays, and each change counts as an edit.
 */
export function withNextRevision(
  before: ControlState,
  after: ControlState,
  { clock, random }: { readonly clock: Pick<Clock, "now">; readonly random: Random },
): ControlState {
  const known = mergeRevisions(before.revisions ?? [], after.revisions ?? []);
  const higher = (known[0] ?? 0) + 1 + Math.floor(random() * MAX_STEP);
  const next = Math.min(LAST_REVISION, Math.max(Math.floor(clock.now()), higher));
  return { ...after, revisions: [next, ...known.filter((one) => one < next)].slice(0, MAX_REVISIONS) };
}

/** Below the last one of either list it is not known what is missing. */
function mergeRevisions(...lists: readonly (readonly number[])[]): readonly number[] {
  const end = Math.max(...lists.map((list) => list.at(-1) ?? 0));
  const all = new Set(lists.flat().filter((revision) => revision >= end));
  return [...all].toSorted((one, other) => other - one);
}

/**
 * Whether a running control plane must store again what it has in force, because what is stored was not made of it: the object
 * was deleted, or a backup of an earlier state was restored, and perhaps changed since. A state with the same revision, or
 * without one, is an edit by people, which is followed. So is a later state of which it is not known what it was made of.
 */
export function isToBeWrittenBack(stored: ControlState, inForce: ControlState): boolean {
  const { revisions = [] } = stored;
  if (revisions[0] === 0) return !isEmptyState(inForce);
  const [present] = inForce.revisions ?? [];
  const last = revisions.at(-1);
  return present !== undefined && last !== undefined && last < present && !revisions.includes(present);
}

/**
 * Whether people have changed what is stored without giving it a revision of its own. It needs one: otherwise a backup from
 * just before would look like another edit.
 */
export function isEdited(stored: ControlState, inForce: ControlState): boolean {
  const [revision] = stored.revisions ?? [];
  const isSame = revision !== undefined && revision === inForce.revisions?.[0];
  return isSame && stored.laterVersion === undefined && !isSameState(stored, inForce);
}

/** Of states that were parsed from what is stored. */
export function isSameState(one: ControlState, other: ControlState): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/**
 * What is stored in place of a restored backup: everything that is revoked in one of the two, because no control plane knows
 * what was lifted in the other. Of the requests to replace the root the one in force, or one that was asked for since.
 */
export function uniteStates(stored: ControlState, inForce: ControlState, nowMs: number): ControlState {
  const united = dropExpired(addRevocations(inForce, stored.revocations, nowMs), nowMs);
  return { ...united, rotation: laterRequest(stored, inForce) };
}

function laterRequest(stored: ControlState, inForce: ControlState): ControlState["rotation"] {
  const isChangedSince = (stored.revisions?.[0] ?? 0) > (inForce.revisions?.[0] ?? 0);
  if (!isChangedSince || stored.rotation === undefined) return inForce.rotation;
  const timeOf = (request: ControlState["rotation"]): number => (request ? Date.parse(request.requestedAt) : 0);
  return timeOf(stored.rotation) > timeOf(inForce.rotation) ? stored.rotation : inForce.rotation;
}

/** Whether nothing is asked. */
export function isEmptyState({ revocations, rotation }: ControlState): boolean {
  return revocations.length === 0 && rotation === undefined;
}

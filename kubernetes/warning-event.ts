import { apiVersionOf, KINDS } from "./kinds.ts";
import type { KubernetesObject } from "./kubernetes-api.ts";

/** Kubernetes' ObjectReference: the object that `kubectl describe` shows an Event at. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
}

export interface WarningEvent {
  readonly regarding: ObjectReference;
  /** In CamelCase, for machines. */
  readonly reason: string;
  /** What the reporter did, such as `Inject`. */
  readonly action: string;
  /** For people. The API server allows 1,024 bytes; a longer one is cut. */
  readonly note: string;
  /** A qualified name: `entente.io/control-plane`. */
  readonly reporter: string;
  /** The reporting process: its pod's name. */
  readonly instance: string;
  /** Hexadecimal digits that distinguish the Event from others about the object. */
  readonly id: string;
  readonly nowMs: number;
}

/** The Event to create, in the namespace of its object; for a cluster-wide one in `default`, as Kubernetes' own. */
export function createWarningEvent(event: WarningEvent): KubernetesObject {
  const { regarding, reason, action, note, reporter, instance, id, nowMs } = event;
  // Each part of a name ends with a letter or digit.
  const prefix = regarding.name.slice(0, 200).replace(/[^a-z0-9]+$/, "");
  return {
    apiVersion: apiVersionOf(KINDS.events),
    kind: KINDS.events.kind,
    metadata: { name: `${prefix}.${id.slice(0, 16)}`, namespace: regarding.namespace ?? "default" },
    // MicroTime has six digits.
    eventTime: new Date(nowMs).toISOString().replace("Z", "000Z"),
    reportingController: reporter,
    reportingInstance: instance,
    type: "Warning",
    reason,
    action,
    regarding,
    note: cutNote(note),
  };
}

const MAX_NOTE_BYTES = 1024;

/** The note as the API server will have it. */
export function cutNote(text: string): string {
  return cutToBytes(text, MAX_NOTE_BYTES);
}

const ELLIPSIS = " …";

/** The beginning of a text in UTF-8. A character that would be cut in two is left out. */
export function cutToBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  const kept = bytes.subarray(0, maxBytes - Buffer.byteLength(ELLIPSIS)).toString();
  return `${kept.replace(/\uFFFD+$/, "")}${ELLIPSIS}`;
}

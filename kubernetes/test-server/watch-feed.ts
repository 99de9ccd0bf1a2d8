import { apiVersionOf } from "../kinds.ts";
import type { ApiKind } from "../kubernetes-api.ts";
import type { SelectionQuery } from "./storage/cluster-queries.ts";
import type { Change } from "./storage/object-history.ts";
import { eventTypeOf, isSeen } from "./storage/seen-changes.ts";
import { type ServedKind, storageKey } from "./storage/served-kinds.ts";
import { inVersion } from "./storage/stored-object.ts";
import type { TestCluster } from "./test-cluster.ts";

/** An event as it is on the wire. */
export interface WireEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: Readonly<Record<string, unknown>>;
}

export interface FeedQuery extends SelectionQuery {
  /** Absent or `"0"`: everything that exists, then all changes. */
  readonly resourceVersion?: string | undefined;
}

/**
 * Sends the changes after a version, first the known ones, then each as it happens, until the returned function is
 * called. A version of the future is accepted, and changes up to it are not sent: so do API servers after etcd was
 * restored from an older backup. Throws 410 for a version that is forgotten.
 */
export function startWatchFeed(
  cluster: TestCluster,
  kind: ApiKind,
  query: FeedQuery,
  send: (event: WireEvent) => void,
): () => void {
  const served = cluster.served(kind);
  const filter = cluster.filterOf(kind, query);
  const { resourceVersion = "0" } = query;
  const sendChange = (change: Change): void => {
    send({ type: eventTypeOf(change, filter), object: inVersion(change.object, served) });
  };
  if (resourceVersion === "0") {
    for (const object of cluster.list(kind, query).items) send({ type: "ADDED", object });
  } else {
    for (const change of cluster.changesSince(kind, query, resourceVersion)) sendChange(change);
  }
  return cluster.history.listen((change) => {
    if (change.storage !== storageKey(kind) || change.revision <= Number(resourceVersion)) return;
    if (isSeen(change, filter)) sendChange(change);
  });
}

/** A bookmark of the newest version. */
export function bookmark(cluster: TestCluster, kind: ServedKind): WireEvent {
  const metadata = { resourceVersion: String(cluster.history.revision), creationTimestamp: null };
  return { type: "BOOKMARK", object: { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata } };
}

/** One open watch, as a test can disturb it. */
export interface OpenWatch {
  readonly kind: ApiKind;
  readonly resourceVersion: string | undefined;
  bookmark(): void;
  /** Sends nothing any more and stays open, as behind a proxy that has lost the server. */
  mute(): void;
  /** As the server ends a watch at its time. */
  end(): void;
  /** As a broken connection. */
  cut(): void;
  /** Sends an ERROR event, and ends. */
  fail(status: Readonly<Record<string, unknown>>): void;
}

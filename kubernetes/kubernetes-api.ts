/**
 * The Kubernetes API as Entente uses it. `createKubernetesClient` implements it over HTTPS. Callers depend on this
 * interface alone, so that a test can pass a fake.
 */

/** A kind of resource at one version. `kinds.ts` has the constants; `discover` finds what a server offers. */
export interface ApiKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** The name in paths, in lower case: `endpointslices`. */
  readonly plural: string;
  readonly kind: string;
  readonly isNamespaced: boolean;
}

/** An object as the server stores it. Only `apiVersion`, `kind` and `metadata` were validated. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export interface ObjectMeta {
  readonly name: string;
  /** Absent for objects of the cluster's scope. */
  readonly namespace?: string;
  readonly uid?: string;
  /** Opaque: it may only be compared for equality. */
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  readonly managedFields?: readonly unknown[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** An object to create: the server completes a `generateName`. */
export interface NewKubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Omit<ObjectMeta, "name"> & ({ readonly name: string } | { readonly generateName: string });
  readonly [field: string]: unknown;
}

/** A request that is answered and not stored: TokenReview, SelfSubjectAccessReview. */
export interface ReviewObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

export interface ObjectName {
  readonly namespace?: string;
  readonly name: string;
}

export interface CallOptions {
  /** The whole call, with its retries. @default the client's limit, 30 s */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

interface SelectOptions {
  /** @default every namespace */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListOptions extends SelectOptions, CallOptions {
  /** Objects a page. @default everything in one page */
  readonly limit?: number;
  /** From the page before. */
  readonly continue?: string;
  /** Absent: the newest state. `"0"`: any state that the server has cached, possibly an old one. */
  readonly resourceVersion?: string;
}

export interface ListPage {
  readonly items: readonly KubernetesObject[];
  /** Of the whole list: where a watch starts. */
  readonly resourceVersion: string;
  /** Absent on the last page. */
  readonly continue?: string;
}

export interface WatchOptions extends SelectOptions {
  /** Events after this version are sent. */
  readonly resourceVersion: string;
  /** The server ends the watch after this time. @default the server's choice, 30 to 60 minutes */
  readonly timeoutSeconds?: number;
  /** Called when the server has accepted the watch, which can be long before the first event. */
  readonly onOpen?: () => void;
  readonly signal?: AbortSignal;
}

/** An ERROR event is no event here: the iteration throws it. */
export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: KubernetesObject }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface WriteOptions extends Omit<CallOptions, "signal"> {
  /** Who owns the fields that are written. @default "entente" */
  readonly fieldManager?: string;
  /** Only validates, admission included; nothing is stored. @default false */
  readonly dryRun?: boolean;
  /** @default the object itself */
  readonly subresource?: "status";
  readonly signal?: AbortSignal;
}

export interface ApplyOptions extends Omit<WriteOptions, "signal"> {
  /** Takes fields over that another manager owns; without it they are a conflict (409). @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

export interface DeleteOptions extends Omit<CallOptions, "signal"> {
  /** Deletes only the object with this uid or version; otherwise a conflict (409). */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  /** What becomes of the objects that this one owns. @default the kind's own, mostly Background */
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface ServerVersion {
  readonly major: number;
  readonly minor: number;
  /** `v1.34.3`. */
  readonly gitVersion: string;
}

/** A kind that the server offers now. */
export interface DiscoveredKind extends ApiKind {
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  /** Whether the group prefers this version. */
  readonly isPreferredVersion: boolean;
}

/**
 * Every method rejects with a KubernetesApiError. An aborted signal rejects with its reason. A call ends within its time
 * limit, whatever the network does.
 */
export interface KubernetesApi {
  /** Undefined: there is no such object (404). */
  get(kind: ApiKind, name: ObjectName, options?: CallOptions): Promise<KubernetesObject | undefined>;
  /** One page. */
  list(kind: ApiKind, options: ListOptions): Promise<ListPage>;
  /**
   * Events until the server ends the watch, which is no error. Throws on 410, as HTTP status or as ERROR event. There is
   * no time limit on silence: the reflector has one. Leaving the loop closes the connection.
   */
  watch(kind: ApiKind, options: WatchOptions): AsyncIterable<WatchEvent>;
  create(kind: ApiKind, object: NewKubernetesObject, options?: WriteOptions): Promise<KubernetesObject>;
  /** With `metadata.resourceVersion` a compare-and-swap: 409 Conflict if the object has changed since. */
  replace(kind: ApiKind, object: KubernetesObject, options?: WriteOptions): Promise<KubernetesObject>;
  /** Server-side apply: sets and owns the fields of `object`, and removes those that it owned before. */
  apply(kind: ApiKind, object: KubernetesObject, options?: ApplyOptions): Promise<KubernetesObject>;
  /** An absent object (404) is no error. */
  delete(kind: ApiKind, name: ObjectName, options?: DeleteOptions): Promise<void>;
  /** Sends a review and returns it with its `status`. */
  review(kind: ApiKind, object: ReviewObject, options?: CallOptions): Promise<ReviewObject>;
  version(options?: CallOptions): Promise<ServerVersion>;
  /** The kinds of a group in all its versions, without subresources; empty if the server does not have the group. */
  discover(group: string, options?: CallOptions): Promise<readonly DiscoveredKind[]>;
}

/** A service by its host, as in a route's destination. */
export interface HostTarget {
  readonly kind: "host";
  /** Fully qualified host. */
  readonly host: string;
  readonly port: number;
  /** Empty means no subset. */
  readonly subset: string;
}

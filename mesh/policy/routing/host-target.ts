/** A service by its host, as routes name it. */
export interface HostTarget {
  readonly kind: "host";
  /** Fully qualified. */
  readonly host: string;
  readonly port: number;
  /** Empty: no subset. */
  readonly subset: string;
}

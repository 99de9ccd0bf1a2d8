/** Where the API server is, and how this process proves who it is. */
export interface ClusterAccess {
  /** Scheme, host, port and perhaps a path prefix, without a slash at the end: `https://10.96.0.1:443`. */
  readonly server: string;
  /** `http:`, `https:` or `socks5:`. @default the server is dialled directly */
  readonly proxy?: string;
  /** The namespace of the context or of this pod. @default "default" */
  readonly namespace: string;
  /**
   * Called for each request: a kubelet replaces token files while the process runs. `renewed`: the server has rejected
   * the cached ones (401).
   */
  readonly credentials: (which: "cached" | "renewed") => Promise<ApiCredentials>;
}

export interface ApiCredentials {
  /** Authorization and impersonation. Secret: never logged, never part of an error. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly tls: ApiTls;
}

/** All PEM. */
export interface ApiTls {
  /** @default the system's authorities */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name to verify instead of the server's host. */
  readonly servername?: string;
  /** `none` only where the kubeconfig says `insecure-skip-tls-verify`. */
  readonly verification: "full" | "none";
}

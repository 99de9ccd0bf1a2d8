import type { DeclaredProtocol, ServerMode } from "../../mesh/policy/types.ts";

/** What a client sends. `NONE`: it has no proxy, so the application's own bytes. */
export type ClientSide = "ISTIO_MUTUAL" | "DISABLE" | "NONE";

/** What a server's sidecar accepts. `NONE`: it has no sidecar. */
export type ServerSide = ServerMode | "NONE";

/**
 * - `OK`: the server accepts what the client sends, and a rule decides it.
 * - `AUTO`: the same, decided by what the server's pods can do.
 * - `CONFLICT`: connections fail.
 * - `REFUSED`: the client's own sidecar refuses to connect.
 * - `NO ENDPOINTS`: no pod is ready.
 */
export type TlsStatus = "OK" | "AUTO" | "CONFLICT" | "REFUSED" | "NO ENDPOINTS";

/** How some clients reach some pods of one port. */
export interface TlsRow {
  readonly host: string;
  readonly port: number;
  /** Empty: no subset. */
  readonly subset: string;
  /** The declared protocol; `undeclared`: recognised by the first bytes. */
  readonly protocol: DeclaredProtocol | "undeclared";
  readonly status: TlsStatus;
  /** Absent without a pod. */
  readonly server?: ServerSide;
  /** Absent if the client refuses to connect. */
  readonly client?: ClientSide;
  /** The rule of the server's side; empty without a pod. */
  readonly authenticationPolicy: string;
  /** The rule of the client's side: `DestinationRule/name.namespace`, or `auto mTLS`; empty if it refuses. */
  readonly destinationRule: string;
  /** Workloads, `NAME.NAMESPACE`. */
  readonly clients: readonly string[];
  /** Pods, `NAME.NAMESPACE`. */
  readonly servers: readonly string[];
  /** Why connections fail, and how to fix it. */
  readonly problem?: string;
}

/** Whether connections of a row fail. */
export function isFailing({ status }: TlsRow): boolean {
  return status === "CONFLICT" || status === "REFUSED";
}

/** Whether a server's side accepts what a client sends. */
export function accepts(server: ServerSide, client: ClientSide): boolean {
  switch (server) {
    case "STRICT":
      return client === "ISTIO_MUTUAL";
    case "PERMISSIVE":
      return true;
    case "DISABLE":
    case "NONE":
      return client !== "ISTIO_MUTUAL";
  }
}

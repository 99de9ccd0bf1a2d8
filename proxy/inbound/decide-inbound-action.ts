import type { ServerMode } from "../../mesh/policy/types.ts";
import type { ClientKind } from "./sniff-client.ts";

/** What to do with a client, by the port's mode and its first bytes. */
export type InboundAction =
  /** Terminate TLS and demand a client certificate. */
  | { readonly kind: "terminate" }
  /** Forward the bytes to the application unchanged. */
  | { readonly kind: "forward" }
  /** Open the connection to the application and wait for whichever side speaks first. */
  | { readonly kind: "await_first_speaker" }
  | { readonly kind: "refuse"; readonly reason: InboundRefusal };

/** Stable: metric labels. */
export type InboundRefusal = "plaintext_under_strict" | "client_gone";

/**
 * The table of Istio's inbound filter chains. Unclear bytes are treated as in the strictest row, which terminates TLS,
 * so the handshake fails if they are not TLS (CVE-2020-8660: a detection error must never open a port).
 */
export function decideInboundAction(mode: ServerMode, client: ClientKind): InboundAction {
  if (mode === "DISABLE") return { kind: "forward" };
  switch (client.kind) {
    case "mesh_tls":
    case "any_tls":
    case "unclear":
      return { kind: "terminate" };
    case "other_tls":
      return mode === "STRICT" ? { kind: "terminate" } : { kind: "forward" };
    case "plaintext":
      return mode === "STRICT" ? { kind: "refuse", reason: "plaintext_under_strict" } : { kind: "forward" };
    case "silent":
      return mode === "STRICT" ? { kind: "terminate" } : { kind: "await_first_speaker" };
    case "closed":
      return { kind: "refuse", reason: "client_gone" };
  }
}

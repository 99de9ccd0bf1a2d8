import type { LocalReply } from "../../messages/local-reply.ts";

/** Why dialling an upstream failed. */
export type DialFailureCause = "no_healthy_endpoint" | "connect" | "tls" | "refused" | "overflow";

export interface UpstreamFailure {
  readonly kind: "failed";
  readonly cause: DialFailureCause;
  readonly message: string;
}

/** Istio's flags and our words for an upstream that could not be dialled. */
export function replyToDialFailure(cause: DialFailureCause, message: string): LocalReply {
  switch (cause) {
    case "no_healthy_endpoint":
      return { status: 503, flags: "UH", details: `no healthy endpoint: ${message}` };
    case "connect":
      return { status: 503, flags: "UF", details: `upstream connect: ${message}` };
    case "tls":
      return { status: 503, flags: "UF", details: `mTLS refused: ${message}` };
    case "overflow":
      return { status: 503, flags: "UO", details: `upstream overflow: ${message}` };
    case "refused":
      return { status: 503, flags: "NR", details: `destination refused: ${message}` };
  }
}

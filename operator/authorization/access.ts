/** Whether a client may do something at the workloads behind a target, and why. */
import type { ClientSide } from "../tls/tls-row.ts";
import type { ExplainedClient } from "./arrivals.ts";
import type { ExplainedRequest } from "./explained-request.ts";
import type { ExplainedTarget } from "./explained-target.ts";
import type { ServedPortFacts } from "./server-facts.ts";
import type { PolicyExplanation, PolicyVerdict } from "./verdicts/policy-verdict.ts";

/** Whether a client may do something, and which rule or fact decides it. */
export type AccessVerdict =
  | PolicyVerdict
  /** Nothing judges: the pod has no sidecar, or the address is no pod's. */
  | { readonly kind: "allowed"; readonly by: "no-proxy" }
  /**
   * Refused whatever the policies say. `tls`: the server does not accept what the client sends. `request`: its path or a
   * field of it could be read in two ways. `token`: it is not accepted.
   */
  | { readonly kind: "denied"; readonly by: "tls" | "request" | "token"; readonly reason: string };

/** How some pods of one workload receive a client. */
export interface WorkloadAccess extends Omit<PolicyExplanation, "verdict"> {
  /** `NAME.NAMESPACE`; of an address that is no pod's the address. */
  readonly workload: string;
  /** `NAME.NAMESPACE` */
  readonly pods: readonly string[];
  /** The port on which the application listens, which policies compare. */
  readonly port: number;
  readonly protocol: ServedPortFacts["protocol"];
  readonly judgedAs: "request" | "stream";
  /** What arrives, and by which rule. */
  readonly client: ClientSide;
  readonly clientRule: string;
  readonly server: ServedPortFacts["server"];
  readonly serverRule: string;
  /** The path as policies compare it; absent for a stream. */
  readonly path?: string;
  readonly verdict: AccessVerdict;
  /** What was assumed. */
  readonly notes: readonly string[];
}

export interface AccessQuestion {
  readonly client: ExplainedClient;
  readonly target: ExplainedTarget;
  readonly request: ExplainedRequest;
  /** The client's address; `undefined`: that of its pod, as far as it is known. */
  readonly sourceIp: string | undefined;
}

export interface AccessExplanation {
  /** `Pod/NAME.NAMESPACE`, an identity, or `plaintext`. */
  readonly client: string;
  /** What the client proves by mutual TLS; absent: it does not. */
  readonly identity?: string;
  /** `Service/NAME.NAMESPACE` or `Pod/NAME.NAMESPACE`. */
  readonly target: string;
  /** As dialled. */
  readonly port: number;
  /** The request that HTTP ports receive. */
  readonly request: { readonly method: string; readonly authority: string; readonly path: string };
  /** Why the client's own sidecar does not connect; absent: it does, or there is none. */
  readonly refused?: string;
  readonly workloads: readonly WorkloadAccess[];
  readonly notes: readonly string[];
}

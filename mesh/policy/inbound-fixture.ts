import { NO_AUTHORIZATION } from "./authorization/authorization.ts";
import type { Inbound, WorkloadInfo } from "./types.ts";

/** A pod without ports of its own that requires mutual TLS of every client and has no further policy. */
export function strictInbound(workload: WorkloadInfo): Inbound {
  const defaultMode = { mode: "STRICT", rule: "default" } as const;
  return { workload, defaultMode, ports: [], authorization: NO_AUTHORIZATION, tokenRules: [] };
}

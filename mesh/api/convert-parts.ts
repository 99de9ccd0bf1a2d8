/** Converts small values that several messages contain. */
import { DECLARED_PROTOCOLS } from "../policy/declared-protocol.ts";
import type { DeclaredProtocol, ServerMode, ServerModeDecision, ServiceInfo, WorkloadInfo } from "../policy/types.ts";
import { ConvertError } from "./convert-error.ts";
import type {
  ServerModeDecision as ServerModeDecisionMessage,
  ServiceInfo as ServiceInfoMessage,
  WorkloadInfo as WorkloadInfoMessage,
} from "./gen/discovery_pb.ts";

const MODES: readonly ServerMode[] = ["STRICT", "PERMISSIVE", "DISABLE"];

/** A missing or unknown mode is STRICT: a newer control plane must not weaken an older proxy. */
export function modeFromMessage(message: ServerModeDecisionMessage | undefined): ServerModeDecision {
  const mode = MODES.find((candidate) => candidate === message?.mode);
  return { mode: mode ?? "STRICT", rule: message?.rule ?? "" };
}

/** A port with an unknown protocol is forwarded as a byte stream. */
export function protocolFromMessage(text: string): DeclaredProtocol | undefined {
  if (text === "") return undefined;
  return DECLARED_PROTOCOLS.find((candidate) => candidate === text) ?? "tcp";
}

export function serviceFromMessage(message: ServiceInfoMessage | undefined): ServiceInfo | undefined {
  return message && { host: message.host, name: message.name, namespace: message.namespace };
}

/** Labels for metrics and logs; a missing message gives empty ones. */
export function workloadFromMessage(message: WorkloadInfoMessage | undefined): WorkloadInfo {
  return {
    namespace: message?.namespace ?? "",
    pod: message?.pod ?? "",
    workload: message?.workload ?? "",
    serviceAccount: message?.serviceAccount ?? "",
    app: message?.app ?? "",
    version: message?.version ?? "",
    canonicalService: message?.canonicalService ?? "",
    canonicalRevision: message?.canonicalRevision ?? "",
  };
}

export function parsePort(port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new ConvertError(`${port} is not a port from 1 to 65535`);
  }
  return port;
}

/** A longer Node timer fires at once. */
const MAX_DURATION_MS = 0x7f_ff_ff_ff;

export function parseDuration(ms: number): number {
  if (ms > MAX_DURATION_MS) throw new ConvertError(`${ms} ms are longer than the longest timer`);
  return ms;
}

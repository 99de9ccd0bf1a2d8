import { Counter, Gauge, type Registry } from "prom-client";

/** Counts what the proxy asks of the control plane and what it refuses, with the names of Istio's agent. */
export interface AgentMeter {
  /** A certificate is requested; again, after an attempt that failed. */
  certificateRequested(isRetry: boolean): void;
  /** The request has ended: with a certificate in use, or without. */
  certificateRequestEnded(isSuccess: boolean, tookMs: number): void;
  /** A value from the control plane cannot be used, or not whole; the last one stays in force. `resource` is a kind. */
  updateRejected(resource: string): void;
  /** Whether the control plane in use has an older state of trust than one before; it is false at first. */
  controlPlaneBehind(isBehind: boolean): void;
}

/** Counts nothing. */
export const NO_AGENT_METER: AgentMeter = {
  certificateRequested: ignore,
  certificateRequestEnded: ignore,
  updateRejected: ignore,
  controlPlaneBehind: ignore,
};

function ignore(): void {}

export function createAgentMeter(registry: Registry): AgentMeter {
  const registers = [registry];
  const counter = (name: string, help: string) => {
    const made = new Counter({ name: `istio_agent_${name}`, help, labelNames: ["request_type"], registers });
    made.inc({ request_type: "csr" }, 0);
    return { add: (value: number) => made.inc({ request_type: "csr" }, value) };
  };
  const requests = counter("num_outgoing_requests", "Requests for a certificate.");
  const retries = counter("num_outgoing_retries", "Requests for a certificate after one that failed.");
  const failures = counter("num_failed_outgoing_requests", "Requests for a certificate that failed.");
  const latency = counter("outgoing_latency", "How long requests for a certificate took, in milliseconds.");
  const rejections = new Counter({
    name: "entente_control_plane_updates_rejected_total",
    help: "Values from the control plane that were refused, by kind; the last ones stayed in force.",
    labelNames: ["resource"],
    registers,
  });
  const behind = new Gauge({
    name: "entente_control_plane_behind",
    help: "Whether the control plane in use (1) has an older trust bundle than one before; that one stays in force.",
    registers,
  });
  return {
    certificateRequested(isRetry) {
      requests.add(1);
      if (isRetry) retries.add(1);
    },
    certificateRequestEnded(isSuccess, tookMs) {
      if (!isSuccess) failures.add(1);
      latency.add(tookMs);
    },
    updateRejected: (resource) => rejections.inc({ resource }),
    controlPlaneBehind: (isBehind) => behind.set(isBehind ? 1 : 0),
  };
}

import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { connectTcp } from "../../net/connect-tcp.ts";
import type { TextResponse } from "../../net/local-http-server.ts";
import { checkGrpc } from "./check-grpc.ts";
import { checkHttp } from "./check-http.ts";
import type { AppProbe, GrpcCheck, HttpCheck, TcpCheck } from "./parse-app-probes.ts";

/** The application's probes, run on behalf of kubelet. */
export interface AppProbes {
  /** Runs the probe with this path; `undefined` if there is none. */
  run(path: string): Promise<TextResponse | undefined>;
}

export interface AppProbesOptions {
  readonly probes: ReadonlyMap<string, AppProbe>;
  /** The application must listen on the pod's address, as for any other client. */
  readonly podIp: string;
  /** The source address of probes, so that they are not captured. @default "127.0.0.6", or "::6" for an IPv6 pod */
  readonly sourceIp?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Runs only declared probes. The target is always this pod, and nothing of the caller's request is forwarded: any pod
 * of the cluster may call here, and this path bypasses mutual TLS. HTTPS is not verified, as in kubelet.
 */
export function createAppProbes(options: AppProbesOptions): AppProbes {
  const { podIp, clock, sourceIp = podIp.includes(":") ? "::6" : "127.0.0.6" } = options;
  const target: ProbeTarget = { podIp, sourceIp, clock };
  return {
    async run(path) {
      const probe = options.probes.get(path);
      if (probe === undefined) return undefined;
      const outcome = await runCheck(probe, target);
      if (outcome.status >= 400) options.log.debug({ probe: path, status: outcome.status }, outcome.body.trim());
      return outcome;
    },
  };
}

interface ProbeTarget {
  readonly podIp: string;
  readonly sourceIp: string;
  readonly clock: Clock;
}

function runCheck(probe: AppProbe, target: ProbeTarget): Promise<TextResponse> {
  const { check, timeoutMs } = probe;
  switch (check.kind) {
    case "http":
      return probeHttp(check, timeoutMs, target);
    case "tcp":
      return probeTcp(check, timeoutMs, target);
    case "grpc":
      return probeGrpc(check, timeoutMs, target);
  }
}

async function probeGrpc(check: GrpcCheck, timeoutMs: number, target: ProbeTarget): Promise<TextResponse> {
  const { podIp, sourceIp, clock } = target;
  const result = await checkGrpc({ ip: podIp, port: check.port, service: check.service, sourceIp, timeoutMs, clock });
  return result.kind === "serving" ? { status: 200, body: "serving\n" } : failed(result.message);
}

async function probeTcp(check: TcpCheck, timeoutMs: number, target: ProbeTarget): Promise<TextResponse> {
  const { podIp, sourceIp, clock } = target;
  const result = await connectTcp({ ip: podIp, port: check.port }, { clock, timeoutMs, localAddress: sourceIp });
  if (result.kind === "failed") return failed(result.message);
  result.socket.destroy();
  return { status: 200, body: "connected\n" };
}

/** A redirect counts as success, as in kubelet. It becomes a 200, because a redirect without a location is an error. */
async function probeHttp(check: HttpCheck, timeoutMs: number, target: ProbeTarget): Promise<TextResponse> {
  const { podIp, sourceIp, clock } = target;
  const overdue = new AbortController();
  const timer = clock.setTimeout(() => overdue.abort(), timeoutMs);
  try {
    const status = await checkHttp(check, { ip: podIp, sourceIp, signal: overdue.signal });
    const isRedirect = status >= 300 && status < 400;
    return { status: isRedirect ? 200 : status, body: `the application responded with ${status}\n` };
  } catch (caught) {
    if (overdue.signal.aborted) return failed(`no response within ${timeoutMs} ms`);
    return failed(MeshError.from(caught).message);
  } finally {
    timer.cancel();
  }
}

function failed(reason: string): TextResponse {
  return { status: 500, body: `${reason}\n` };
}

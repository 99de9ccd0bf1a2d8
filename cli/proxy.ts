import { systemClock } from "../mesh/runtime.ts";
import { runGateway } from "../proxy/run-gateway.ts";
import { runSidecar } from "../proxy/run-sidecar.ts";
import type { Command } from "./command.ts";
import { parseProxyConfig } from "./proxy-config.ts";
import { UsageError } from "./usage-error.ts";
import { VERSION } from "./version.ts";

const USAGE = `
Usage: entente proxy sidecar
       entente proxy gateway

sidecar carries the traffic of the pod it runs in; the pod's init container sends it there with iptables.
gateway serves the ports of the Gateway resources that select its pod.

Environment (the injector sets it):
  POD_NAME, POD_NAMESPACE, SERVICE_ACCOUNT, INSTANCE_IP   the pod
  CA_ADDR            the control plane (istiod.istio-system.svc:15012)
  TRUST_DOMAIN       (cluster.local)
  ENTENTE_TOKEN_FILE, ENTENTE_ROOT_CERT_FILE              (/var/run/secrets/tokens/istio-token,
                                                           /var/run/secrets/istio/root-cert.pem)
  MINIMUM_DRAIN_DURATION_SECONDS, TERMINATION_DRAIN_DURATION_SECONDS   (5, 25)
  ENTENTE_ACCESS_LOG a file for a line of JSON a request, such as /dev/stdout (none)
  ENTENTE_METRICS_MAX_MB  of a page of metrics; entente_metrics_truncated is 1 where it is reached (8)
  ENTENTE_LOG_LEVEL  trace, debug, info, warn, error, silent (info)
`;

/** The data plane: one program, two roles. */
export const proxyCommand: Command = {
  name: "proxy",
  summary: "carry a pod's traffic in mutual TLS, as its sidecar or as the mesh's gateway",
  usage: USAGE,
  run: async (args, { env, log, signal }) => {
    const [role, ...rest] = args;
    if ((role !== "sidecar" && role !== "gateway") || rest.length > 0) {
      throw new UsageError(`say which role: sidecar or gateway${args.length === 0 ? "" : `, not "${args.join(" ")}"`}`);
    }
    const deps = { config: parseProxyConfig(env), version: VERSION, clock: systemClock, random: Math.random, log };
    await (role === "sidecar" ? runSidecar(deps, signal) : runGateway(deps, signal));
    return 0;
  },
};

import { systemClock } from "../mesh/runtime.ts";
import { runGateway } from "../proxy/run-gateway.ts";
import { runSidecar } from "../proxy/run-sidecar.ts";
import type { Command } from "./command.ts";
import type { CommandDescription } from "./command-line/command-description.ts";
import { parseProxyConfig } from "./proxy-config.ts";
import { UsageError } from "./usage-error.ts";
import { VERSION } from "./version.ts";

const DESCRIPTION: CommandDescription = {
  forms: ["sidecar", "gateway"],
  text: `
sidecar handles the traffic of its pod; the pod's init container redirects it to the sidecar with iptables.
gateway serves the ports of the Gateway resources that select its pod.`,
  options: {},
  words: [["sidecar", "gateway"]],
  notes: `
Environment (the injector sets it):
  POD_NAME, POD_NAMESPACE, SERVICE_ACCOUNT, INSTANCE_IP   the pod
  CA_ADDR            the control plane (istiod.istio-system.svc:15012)
  TRUST_DOMAIN       (cluster.local)
  ENTENTE_TOKEN_FILE, ENTENTE_ROOT_CERT_FILE              (/var/run/secrets/tokens/istio-token,
                                                           /var/run/secrets/istio/root-cert.pem)
  MINIMUM_DRAIN_DURATION_SECONDS, TERMINATION_DRAIN_DURATION_SECONDS   (5, 25)
  ENTENTE_ACCESS_LOG a file for the access log, one JSON line per request, such as /dev/stdout (none)
  ENTENTE_METRICS_MAX_MB  the limit of a metrics page; entente_metrics_truncated is 1 if it is reached (8)
  ENTENTE_LOG_LEVEL  trace, debug, info, warn, error, silent (info)`,
};

/** The data plane: one program with two roles. */
export const proxyCommand: Command = {
  name: "proxy",
  summary: "run the proxy, as a pod's sidecar or as the mesh's gateway",
  description: DESCRIPTION,
  run: async (args, { env, log, signal }) => {
    const [role, ...rest] = args;
    if ((role !== "sidecar" && role !== "gateway") || rest.length > 0) {
      throw new UsageError(`the role must be sidecar or gateway, got "${args.join(" ")}"`);
    }
    const deps = { config: parseProxyConfig(env), version: VERSION, clock: systemClock, random: Math.random, log };
    await (role === "sidecar" ? runSidecar(deps, signal) : runGateway(deps, signal));
    return 0;
  },
};

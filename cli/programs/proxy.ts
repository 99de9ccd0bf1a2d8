import { parseArgs } from "node:util";
import { systemClock } from "../../mesh/runtime.ts";
import { awaitReady, requestDrain } from "../../proxy/admin/local-requests.ts";
import type { Command, CommandContext } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { parseDuration } from "../option-values.ts";
import { UsageError } from "../usage-error.ts";

const OPTIONS = {
  timeout: {
    type: "string",
    default: "60s",
    value: "DURATION",
    help: "wait only: how long the proxy may take to become ready",
  },
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["sidecar", "gateway", "wait [--timeout DURATION]", "drain"],
  text: `
sidecar handles the traffic of its pod; the pod's init container redirects it to the sidecar with iptables.
gateway serves the ports of the Gateway resources that select its pod.
wait ends when the proxy of this pod is ready: the postStart hook of holdApplicationUntilProxyStarts.
drain asks the proxy of this pod to drain: the preStop hook of a native sidecar. SIGTERM ends the proxy afterwards.`,
  options: OPTIONS,
  words: [["sidecar", "gateway", "wait", "drain"]],
  notes: `
Environment (the injector sets it):
  POD_NAME, POD_NAMESPACE, SERVICE_ACCOUNT, INSTANCE_IP   the pod
  CA_ADDR            the control plane (istiod.istio-system.svc:15012)
  TRUST_DOMAIN       (cluster.local)
  ENTENTE_TOKEN_FILE, ENTENTE_ROOT_CERT_FILE              (/var/run/secrets/tokens/istio-token,
                                                           /var/run/secrets/istio/root-cert.pem)
  TERMINATION_DRAIN_DURATION_SECONDS  how long a proxy that ends still accepts connections (5)
  ENTENTE_DRAIN_DEADLINE_SECONDS      how long it waits for those it has; less than the pod's grace period (25)
  ENTENTE_ACCESS_LOG a file for the access log, one JSON line per request, such as /dev/stdout (none)
  ENTENTE_METRICS_MAX_MB  the limit of a metrics page; entente_metrics_truncated is 1 if it is reached (8)
  ENTENTE_LOG_LEVEL  trace, debug, info, warn, error, silent (info)`,
};

/** The data plane: one program with two roles, and the two commands that a pod's hooks run next to it. */
export const proxyCommand: Command = {
  name: "proxy",
  summary: "run the proxy, as a pod's sidecar or as the mesh's gateway",
  description: DESCRIPTION,
  run: async ([role, ...args], context) => {
    switch (role) {
      case "sidecar":
      case "gateway":
        refuseArguments(args, role);
        await runRole(role, context);
        return 0;
      case "wait":
        await awaitReady({ timeoutMs: parseTimeout(args), clock: systemClock, signal: context.signal });
        return 0;
      case "drain":
        refuseArguments(args, role);
        await requestDrain();
        return 0;
      default:
        throw new UsageError(`the role must be sidecar, gateway, wait or drain, got "${role ?? ""}"`);
    }
  },
};

/** The proxy's code is loaded only here: the hooks' commands run in its container, within its limit of memory. */
async function runRole(role: "sidecar" | "gateway", { env, log, signal }: CommandContext): Promise<void> {
  const [{ parseProxyConfig }, { VERSION }] = await Promise.all([import("./proxy-config.ts"), import("../version.ts")]);
  const deps = { config: parseProxyConfig(env), version: VERSION, clock: systemClock, random: Math.random, log };
  if (role === "gateway") await (await import("../../proxy/run-gateway.ts")).runGateway(deps, signal);
  else await (await import("../../proxy/run-sidecar.ts")).runSidecar(deps, signal);
}

function parseTimeout(args: readonly string[]): number {
  return parseDuration(parseArgs({ args: [...args], options: OPTIONS }).values.timeout, "--timeout");
}

function refuseArguments(args: readonly string[], role: string): void {
  if (args.length > 0) throw new UsageError(`${role} takes no arguments, got "${args.join(" ")}"`);
}

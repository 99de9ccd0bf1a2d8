import { applyCapture, type CaptureReport, removeCapture } from "../injector/capture/apply-capture.ts";
import { parseCaptureArgs } from "../injector/capture/capture-args.ts";
import { createCaptureSystem } from "../injector/capture/capture-system.ts";
import { formatCaptureRules } from "../injector/capture/iptables-rules.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

const USAGE = `
Usage: entente capture apply [OPTION ...]
       entente capture show [OPTION ...]
       entente capture remove

apply redirects this network namespace's TCP traffic to the proxy; running it again changes nothing.
show prints the rules that apply would create. remove deletes them.

  -p, --outbound-port PORT                redirect outbound connections to this port (15001)
  -z, --inbound-port PORT                 redirect inbound connections to this port (15006)
  -u, --proxy-uid IDS                     users whose traffic counts as the proxy's own (1337)
  -g, --proxy-gid IDS                     groups, likewise (the same as --proxy-uid)
  -m, --mode REDIRECT                     the only mode
  -i, --include-outbound-ip-ranges LIST   addresses to capture, * for all (*)
  -x, --exclude-outbound-ip-ranges LIST   addresses not to capture
  -b, --include-inbound-ports LIST        ports to capture, * for all (*)
  -d, --exclude-inbound-ports LIST        ports not to capture (15090,15021,15020)
  -q, --include-outbound-ports LIST       ports to capture for every address
  -o, --exclude-outbound-ports LIST       ports not to capture
  -c, --exclude-interfaces LIST           network interfaces not to capture
      --drop-invalid                      drop packets in conntrack state INVALID
      --ipv6 auto|on|off                  whether to create IPv6 rules (auto: if the pod has IPv6)
`;

/** Installs, prints or removes the iptables rules; the init container of every injected pod runs `apply`. */
export const captureCommand: Command = {
  name: "capture",
  summary: "redirect this network namespace's traffic to the proxy, with iptables",
  usage: USAGE,
  run: async ([action, ...args], context) => {
    const deps = { system: createCaptureSystem(context.env), log: context.log.child({ component: "capture" }) };
    if (action === "apply") {
      context.stdout(formatReports(await applyCapture(parseCaptureArgs(args), deps), "in force"));
      return 0;
    }
    if (action === "show") {
      context.stdout(formatRules(args));
      return 0;
    }
    if (action === "remove" && args.length === 0) {
      context.stdout(formatReports(await removeCapture(deps), "removed"));
      return 0;
    }
    throw new UsageError(`the action must be apply, show or remove, got "${action ?? ""}"`);
  },
};

function formatReports(reports: readonly CaptureReport[], state: string): string {
  return reports
    .map(({ family, backend, changed }) => `${family} ${state}, by ${backend}${changed ? "" : " (unchanged)"}\n`)
    .join("");
}

function formatRules(args: readonly string[]): string {
  const { options, ipv6 } = parseCaptureArgs(args);
  const families = ipv6 === "off" ? (["ipv4"] as const) : (["ipv4", "ipv6"] as const);
  return families.map((family) => `# ${family}\n${formatCaptureRules(options, family)}`).join("");
}

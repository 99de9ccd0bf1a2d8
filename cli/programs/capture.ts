import { applyCapture, type CaptureReport, removeCapture } from "../../injector/capture/apply-capture.ts";
import { CAPTURE_FLAGS, parseCaptureArgs } from "../../injector/capture/capture-args.ts";
import { createCaptureSystem } from "../../injector/capture/capture-system.ts";
import { formatCaptureRules } from "../../injector/capture/iptables-rules.ts";
import type { Command } from "../command.ts";
import type { CommandDescription } from "../command-line/command-description.ts";
import { UsageError } from "../usage-error.ts";

const DESCRIPTION: CommandDescription = {
  forms: ["apply [OPTION ...]", "show [OPTION ...]", "remove"],
  text: `
apply redirects this network namespace's TCP traffic to the proxy; running it again changes nothing.
show prints the rules that apply would create. remove deletes them.`,
  options: CAPTURE_FLAGS,
  words: [["apply", "show", "remove"]],
};

/** Installs, prints or removes the iptables rules; the init container of every injected pod runs `apply`. */
export const captureCommand: Command = {
  name: "capture",
  summary: "redirect this network namespace's traffic to the proxy, with iptables",
  description: DESCRIPTION,
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

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { mutatingWebhookConfiguration } from "../injector/admission/selection/webhook-configuration.ts";
import { startWebhookServer } from "../injector/webhook-server.ts";
import { systemClock } from "../mesh/runtime.ts";
import type { Command } from "./command.ts";
import type { CommandDescription, OptionTable } from "./command-line/command-description.ts";
import { INJECTION_FLAGS, injectionSettings } from "./injection-flags.ts";
import { parsePort } from "./option-values.ts";

const OPTIONS = {
  port: { type: "string", default: "15017", value: "PORT", help: "the port of the webhook" },
  "tls-cert": {
    type: "string",
    default: "/etc/entente/tls/tls.crt",
    value: "FILE",
    help: "PEM chain, reloaded when it changes",
  },
  "tls-key": { type: "string", default: "/etc/entente/tls/tls.key", value: "FILE", help: "PEM key, likewise" },
  "root-cert": {
    type: "string",
    value: "FILE",
    help: "PEM roots of the certificate, for the configuration's caBundle",
  },
  service: { type: "string", value: "NAME", help: "the webhook's service, for the configuration (istiod)" },
  "print-configuration": {
    type: "boolean",
    help: "print the MutatingWebhookConfiguration for it, as JSON for kubectl apply",
  },
  ...INJECTION_FLAGS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["--tls-cert FILE --tls-key FILE [OPTION ...]", "--print-configuration [--root-cert FILE] [OPTION ...]"],
  text: `
Serves the admission webhook that adds the sidecar to pods: POST /inject, GET /healthz/ready, GET /metrics.`,
  options: OPTIONS,
};

/** The injection webhook as its own process. */
export const injectorCommand: Command = {
  name: "injector",
  summary: "serve the admission webhook that injects the sidecar",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const settings = injectionSettings(values);
    if (values["print-configuration"] === true) {
      const rootFile = values["root-cert"];
      const configuration = mutatingWebhookConfiguration({
        revision: settings.revision,
        controlPlaneNamespace: settings.controlPlaneNamespace,
        ...(values.service !== undefined && { serviceName: values.service }),
        ...(rootFile !== undefined && { rootCertificates: await readFile(rootFile, "utf8") }),
      });
      context.stdout(`${JSON.stringify(configuration, undefined, 2)}\n`);
      return 0;
    }
    const server = await startWebhookServer({
      port: parsePort(values.port, "--port", 0),
      certificateFile: values["tls-cert"],
      keyFile: values["tls-key"],
      settings,
      clock: systemClock,
      log: context.log.child({ component: "injector" }),
    });
    if (!context.signal.aborted) await once(context.signal, "abort");
    await server.stop();
    return 0;
  },
};

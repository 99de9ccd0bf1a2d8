import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { mutatingWebhookConfiguration } from "../injector/admission/selection/webhook-configuration.ts";
import { startWebhookServer } from "../injector/webhook-server.ts";
import { systemClock } from "../mesh/runtime.ts";
import type { Command } from "./command.ts";
import { INJECTION_FLAGS, INJECTION_USAGE, injectionSettings } from "./injection-flags.ts";
import { parsePort } from "./option-values.ts";

const USAGE = `
Usage: entente injector --tls-cert FILE --tls-key FILE [OPTION ...]
       entente injector --print-configuration [--root-cert FILE] [OPTION ...]

Serves the admission webhook that adds the sidecar to pods: POST /inject, GET /healthz/ready, GET /metrics.
--print-configuration prints the MutatingWebhookConfiguration for it, as JSON for kubectl apply.

      --port PORT              (15017)
      --tls-cert FILE          PEM chain, reloaded when it changes (/etc/entente/tls/tls.crt)
      --tls-key FILE           PEM key, likewise (/etc/entente/tls/tls.key)
      --root-cert FILE         PEM roots of the certificate, for the configuration's caBundle
      --service NAME           the webhook's service, for the configuration (istiod)
${INJECTION_USAGE}`;

const FLAGS = {
  port: { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "root-cert": { type: "string" },
  service: { type: "string" },
  "print-configuration": { type: "boolean" },
  ...INJECTION_FLAGS,
} as const;

/** The injection webhook as its own process. */
export const injectorCommand: Command = {
  name: "injector",
  summary: "serve the admission webhook that injects the sidecar",
  usage: USAGE,
  run: async (args, context) => {
    const { values } = parseArgs({ args: [...args], options: FLAGS });
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
      port: parsePort(values.port ?? "15017", "--port", 0),
      certificateFile: values["tls-cert"] ?? "/etc/entente/tls/tls.crt",
      keyFile: values["tls-key"] ?? "/etc/entente/tls/tls.key",
      settings,
      clock: systemClock,
      log: context.log.child({ component: "injector" }),
    });
    if (!context.signal.aborted) await once(context.signal, "abort");
    await server.stop();
    return 0;
  },
};

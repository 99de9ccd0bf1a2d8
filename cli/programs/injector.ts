import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { mutatingWebhookConfiguration } from "../../injector/admission/selection/webhook-configuration.ts";
import { startClusterInjector } from "../../injector/cluster/start-cluster-injector.ts";
import { startMeshConfigFile } from "../../injector/mesh-config-file.ts";
import { startServingCertificate } from "../../injector/serving/serving-certificate.ts";
import { startWebhookServer, type WebhookServer } from "../../injector/serving/webhook-server.ts";
import { createKubernetesClient } from "../../kubernetes/kubernetes-client.ts";
import { loadClusterAccess } from "../../kubernetes/load-cluster-access.ts";
import { type Logger, systemClock } from "../../mesh/runtime.ts";
import { whenAborted } from "../../net/when-aborted.ts";
import type { Command, CommandContext } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import {
  INJECTION_FLAGS,
  type InjectionFlagValues,
  injectionSettings,
  parseNativeSidecar,
} from "../injection-flags.ts";
import { parsePort } from "../option-values.ts";
import { VERSION } from "../version.ts";

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
  service: {
    type: "string",
    value: "NAME",
    help: "the webhook's service, for the configuration (istio-sidecar-injector)",
  },
  "print-configuration": {
    type: "boolean",
    help: "print the MutatingWebhookConfiguration for it, as JSON for kubectl apply",
  },
  kubernetes: {
    type: "boolean",
    help: "run as a part of the cluster: makes its certificate, keeps the webhook configurations' caBundle current, records Events",
  },
  kubeconfig: { type: "string", value: "FILE", help: "with --kubernetes, outside of the cluster" },
  ...INJECTION_FLAGS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: [
    "--kubernetes [OPTION ...]",
    "--tls-cert FILE --tls-key FILE [OPTION ...]",
    "--print-configuration [--root-cert FILE] [OPTION ...]",
  ],
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
    if (values["print-configuration"] === true) {
      context.stdout(`${JSON.stringify(await configuration(values), undefined, 2)}\n`);
      return 0;
    }
    const log = context.log.child({ component: "injector" });
    const server = await (values.kubernetes === true
      ? startInCluster(values, context, log)
      : startWithFiles(values, log));
    await whenAborted(context.signal);
    await server.stop();
    return 0;
  },
};

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

async function configuration(values: Values) {
  const { revision, controlPlaneNamespace } = injectionSettings(values);
  const { service: serviceName, "root-cert": rootFile } = values;
  return mutatingWebhookConfiguration({
    revision,
    controlPlaneNamespace,
    ...(serviceName !== undefined && { serviceName }),
    ...(rootFile !== undefined && { rootCertificates: await readFile(rootFile, "utf8") }),
  });
}

async function startWithFiles(values: Values, log: Logger): Promise<WebhookServer> {
  const clock = systemClock;
  const settings = await startSettings(values, values["mesh-config"], log);
  const certificate = await startServingCertificate({
    certificateFile: values["tls-cert"],
    keyFile: values["tls-key"],
    clock,
    log,
  });
  const port = parsePort(values.port, "--port", 0);
  const server = await startWebhookServer({ port, certificate, settings: () => settings.current(), clock, log });
  return {
    port: server.port,
    stop: async (lingerMs) => {
      await server.stop(lingerMs);
      certificate.stop();
      settings.stop();
    },
  };
}

/** Where an installation mounts the ConfigMap `istio`. */
const MESH_CONFIG_FILE = "/etc/istio/config/mesh";

async function startInCluster(values: Values, context: CommandContext, log: Logger): Promise<WebhookServer> {
  const { env, signal, clock = systemClock } = context;
  const access = await loadClusterAccess({ environment: env, kubeconfig: values.kubeconfig });
  const api = createKubernetesClient({ access, clock, random: Math.random, log }, { userAgent: `entente/${VERSION}` });
  const settings = await startSettings(values, values["mesh-config"] ?? MESH_CONFIG_FILE, log);
  const { POD_NAME: name, POD_NAMESPACE: namespace } = env;
  const ownPod = values.image === undefined && name && namespace ? { namespace, name } : undefined;
  const server = await startClusterInjector(
    {
      api,
      settings,
      nativeSidecars: parseNativeSidecar(values["native-sidecar"]),
      instance: name || hostname(),
      ...(ownPod !== undefined && { ownPod }),
      port: parsePort(values.port, "--port", 0),
    },
    { clock, random: Math.random, randomBytes, log, signal },
  );
  return {
    port: server.port,
    stop: async (lingerMs) => {
      await server.stop(lingerMs);
      await api.close();
    },
  };
}

/** The settings of injected pods; those of a mesh configuration may change while the process runs. */
async function startSettings(values: InjectionFlagValues, file: string | undefined, log: Logger) {
  const settings = injectionSettings(values);
  if (file !== undefined) return await startMeshConfigFile({ file, settings, clock: systemClock, log });
  return { current: () => settings, subscribe: () => () => undefined, stop: () => undefined };
}

import { hostname } from "node:os";
import { servingNames } from "../../control-plane/identity/serving-names.ts";
import type { IdentityOptions } from "../../control-plane/identity/start-identity.ts";
import { fixedSettings, followMeshConfig } from "../../control-plane/settings/live-settings.ts";
import { readMeshConfigFile } from "../../control-plane/settings/mesh-config.ts";
import { startControlPlane } from "../../control-plane/start-control-plane.ts";
import type { SourceOptions } from "../../control-plane/start-source.ts";
import { createKubernetesClient } from "../../kubernetes/kubernetes-client.ts";
import { loadClusterAccess } from "../../kubernetes/load-cluster-access.ts";
import { readServerClock } from "../../kubernetes/server-clock.ts";
import type { MeshSettings } from "../../mesh/mesh-settings.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { whenAborted } from "../../net/when-aborted.ts";
import type { Command, CommandContext } from "../command.ts";
import { VERSION } from "../version.ts";
import {
  CONTROL_PLANE_DESCRIPTION,
  type ControlPlaneCommandLine,
  parseControlPlaneOptions,
} from "./control-plane-options.ts";

/** How long others may still send clients to a control plane that ends. */
const ACCEPT_MS = 5_000;

/** The certificate authority and the discovery streams, in one process. */
export const controlPlaneCommand: Command = {
  name: "control-plane",
  summary: "sign the sidecars' certificates and send them their configuration",
  description: CONTROL_PLANE_DESCRIPTION,
  run: async (args, context) => {
    const { identity: parsed, meshConfigFile, configFolders, ...options } = parseControlPlaneOptions(args);
    const { settings, discoveryHost } = await startSettings(meshConfigFile, options.settings, context);
    const identity = await openIdentity(parsed, context);
    const dnsNames = servingNames(settings.current().rootNamespace, discoveryHost);
    const { log, signal, clock = systemClock } = context;
    try {
      const stop = await startControlPlane(
        {
          ...options,
          settings,
          dnsNames,
          version: VERSION,
          identity: identity.options,
          source: sourceOf(identity, configFolders),
        },
        { clock, random: Math.random, log, signal },
      );
      await whenAborted(signal);
      await stop(ACCEPT_MS);
    } catch (caught) {
      // It may have to end while it still waits for the API.
      if (!signal.aborted) throw caught;
    } finally {
      await identity.close();
    }
    return 0;
  },
};

/** The settings of the command line, or of the mesh configuration, which is followed. */
async function startSettings(file: string | undefined, defaults: MeshSettings, context: CommandContext) {
  const { log, signal, clock = systemClock } = context;
  if (file === undefined) return { settings: fixedSettings(defaults), discoveryHost: undefined };
  const initial = await readMeshConfigFile(file, defaults);
  const settings = followMeshConfig({ file, defaults, initial, clock, log, signal });
  return { settings, discoveryHost: initial.discoveryHost };
}

interface OpenedIdentity {
  readonly options: IdentityOptions;
  close(): Promise<void>;
}

function sourceOf({ options: identity }: OpenedIdentity, folders: readonly string[]): SourceOptions {
  if (identity.kind === "files" || folders.length > 0) return { kind: "folders", folders };
  return { kind: "kubernetes", api: identity.api, instance: identity.instance };
}

async function openIdentity(
  parsed: ControlPlaneCommandLine["identity"],
  { env, log, clock = systemClock }: CommandContext,
): Promise<OpenedIdentity> {
  if (parsed.kind === "files") return { options: parsed, close: async () => undefined };
  const access = await loadClusterAccess({ environment: env, kubeconfig: parsed.kubeconfig });
  const deps = { access, clock, random: Math.random, log };
  const api = createKubernetesClient(deps, { userAgent: `entente/${VERSION}` });
  const instance = env["POD_NAME"] ?? hostname();
  const readClock = (signal: AbortSignal) => readServerClock({ access, now: systemClock.now, signal });
  return { options: { kind: "kubernetes", api, instance, readClock }, close: () => api.close() };
}

import { z } from "zod";
import { pause } from "../../kubernetes/bounded-call.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi, ObjectName } from "../../kubernetes/kubernetes-api.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { InjectorError } from "../injector-error.ts";

/** Where a pod's image comes from. */
export interface ImageSource {
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  /** Names of Secrets. */
  readonly imagePullSecrets: readonly string[];
}

const podSchema = z.looseObject({
  spec: z.looseObject({
    containers: z
      .array(
        z.looseObject({
          image: z.string().min(1),
          imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
        }),
      )
      .min(1),
    imagePullSecrets: z.array(z.looseObject({ name: z.string() })).default([]),
  }),
});

/**
 * The image of this process's own pod, for injected pods: an installation with another image, by `--set` or by
 * kustomize, names it once. An admission webhook may have changed it, for a mirror.
 */
export async function findOwnImage(
  api: Pick<KubernetesApi, "get">,
  name: ObjectName,
  signal: AbortSignal,
): Promise<ImageSource> {
  const pod = await api.get(KINDS.pods, name, { signal });
  const parsed = podSchema.safeParse(pod);
  const container = parsed.data?.spec.containers[0];
  if (parsed.data === undefined || container === undefined) {
    throw new InjectorError(
      "own_pod",
      `the pod ${name.namespace}/${name.name} of this process was not found; give the sidecar's image with --image`,
    );
  }
  const { imagePullSecrets } = parsed.data.spec;
  return {
    image: container.image,
    imagePullPolicy: container.imagePullPolicy,
    imagePullSecrets: imagePullSecrets.map((secret) => secret.name),
  };
}

export interface OwnImageDeps {
  readonly api: Pick<KubernetesApi, "get">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const RETRY_MS = 2_000;

/** The image of this process's own pod; undefined until the API has given it. */
export function followOwnImage(name: ObjectName, deps: OwnImageDeps): () => ImageSource | undefined {
  const { api, clock, log, signal } = deps;
  let image: ImageSource | undefined;
  let reported = "";
  const look = async (): Promise<void> => {
    while (image === undefined && !signal.aborted) {
      image = await findOwnImage(api, name, signal).catch((caught: unknown) => {
        const { code, message } = MeshError.from(caught);
        if (message !== reported && !signal.aborted) log.warn({ code }, message);
        reported = message;
        return undefined;
      });
      if (image === undefined) await pause(clock, RETRY_MS, signal).catch(() => undefined);
    }
  };
  void look();
  return () => image;
}

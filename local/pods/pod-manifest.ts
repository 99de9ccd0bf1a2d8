import { z } from "zod";
import { LocalError } from "../local-error.ts";

/** A field that a container depends on: refused, not ignored. */
const unsupported = z.null({ error: "is not supported on one machine" }).optional();

const unsupportedTrue = z.literal(false, { error: "is not supported on one machine" }).nullish();

/**
 * The fields of a pod that are needed to run it. All others are kept unchanged, for the webhook and the control plane.
 */
const environmentSchema = z.looseObject({
  name: z.string().min(1),
  value: z.string().nullish(),
  valueFrom: z.looseObject({ fieldRef: z.looseObject({ fieldPath: z.string() }).nullish() }).nullish(),
});

const idSchema = z.number().int().nonnegative();

const securityContextSchema = z.looseObject({
  runAsUser: idSchema.nullish(),
  runAsGroup: idSchema.nullish(),
  capabilities: z.looseObject({ add: z.array(z.string()).nullish() }).nullish(),
});

const podSecurityContextSchema = z.looseObject({
  runAsUser: idSchema.nullish(),
  runAsGroup: idSchema.nullish(),
  fsGroup: idSchema.nullish(),
  supplementalGroups: z.array(idSchema).nullish(),
});

const portSchema = z.union([z.number().int(), z.string()]);

const probeSchema = z.looseObject({
  httpGet: z
    .looseObject({
      path: z.string().nullish(),
      port: portSchema,
      host: z.string().nullish(),
      scheme: z.enum(["HTTP", "HTTPS"]).nullish(),
      httpHeaders: z.array(z.looseObject({ name: z.string(), value: z.string() })).nullish(),
    })
    .nullish(),
  tcpSocket: z.looseObject({ port: portSchema, host: z.string().nullish() }).nullish(),
});

const hookSchema = z.looseObject({
  exec: z.looseObject({ command: z.array(z.string()).min(1) }).nullish(),
  sleep: z.looseObject({ seconds: z.number().nonnegative() }).nullish(),
});

const containerSchema = z.looseObject({
  name: z.string().min(1),
  image: z.string().min(1),
  command: z.array(z.string()).nullish(),
  args: z.array(z.string()).nullish(),
  env: z.array(environmentSchema).nullish(),
  ports: z
    .array(
      z.looseObject({
        name: z.string().nullish(),
        containerPort: z.number().int(),
        protocol: z.string().nullish(),
      }),
    )
    .nullish(),
  volumeMounts: z
    .array(
      z.looseObject({
        name: z.string(),
        mountPath: z.string().startsWith("/"),
        readOnly: z.boolean().nullish(),
        subPath: unsupported,
        subPathExpr: unsupported,
      }),
    )
    .nullish(),
  envFrom: unsupported,
  workingDir: unsupported,
  readinessProbe: probeSchema.nullish(),
  lifecycle: z.looseObject({ postStart: hookSchema.nullish(), preStop: hookSchema.nullish() }).nullish(),
  restartPolicy: z.string().nullish(),
  securityContext: securityContextSchema.nullish(),
});

/** Only complete volumes: a container that expects a file under another name would not find it. */
const configMapSchema = z.looseObject({ name: z.string(), optional: z.boolean().nullish(), items: unsupported });

/** The permissions of a volume's files. */
const modeSchema = z.number().int().min(0).max(0o777).nullish();

const volumeSchema = z.looseObject({
  name: z.string().min(1),
  emptyDir: z.looseObject({}).nullish(),
  hostPath: z.looseObject({ path: z.string().startsWith("/") }).nullish(),
  configMap: configMapSchema.extend({ defaultMode: modeSchema }).nullish(),
  secret: z
    .looseObject({
      secretName: z.string(),
      optional: z.boolean().nullish(),
      items: unsupported,
      defaultMode: modeSchema,
    })
    .nullish(),
  projected: z
    .looseObject({
      defaultMode: modeSchema,
      sources: z.array(
        z.looseObject({
          serviceAccountToken: z
            .looseObject({
              audience: z.string().default(""),
              expirationSeconds: z.number().default(3600),
              path: z.string(),
            })
            .nullish(),
          configMap: configMapSchema.nullish(),
        }),
      ),
    })
    .nullish(),
});

const podSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string().min(1),
    namespace: z.string().min(1),
    labels: z.record(z.string(), z.string()).nullish(),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
  spec: z.looseObject({
    serviceAccountName: z.string().nullish(),
    hostNetwork: z.boolean().nullish(),
    enableServiceLinks: z.boolean().nullish(),
    hostPID: unsupportedTrue,
    hostIPC: unsupportedTrue,
    hostAliases: unsupported,
    hostname: unsupported,
    subdomain: unsupported,
    dnsConfig: unsupported,
    containers: z.array(containerSchema).min(1),
    initContainers: z.array(containerSchema).nullish(),
    volumes: z.array(volumeSchema).nullish(),
    securityContext: podSecurityContextSchema.nullish(),
  }),
});

export type PodManifest = z.output<typeof podSchema>;
export type ContainerManifest = z.output<typeof containerSchema>;
export type VolumeManifest = z.output<typeof volumeSchema>;

/** Checks the fields that are needed to run a pod; a LocalError names the first invalid one. */
export function validatePodManifest(value: unknown, what: string): PodManifest {
  const result = podSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new LocalError("bad_manifest", `${what}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "is not a pod"}`);
}

/** Whether an init container runs beside the others, as a native sidecar does. */
export function isRestartable({ restartPolicy }: ContainerManifest): boolean {
  return restartPolicy === "Always";
}

/** The containers that do not exit by themselves. */
export function lastingContainers({ spec }: PodManifest): readonly ContainerManifest[] {
  return [...(spec.initContainers ?? []).filter(isRestartable), ...spec.containers];
}

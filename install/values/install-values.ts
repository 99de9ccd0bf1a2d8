import { z } from "zod";
import { DEFAULT_INJECTION_SETTINGS } from "../../injector/admission/injection-settings.ts";
import type { Immutable } from "../../mesh/resources/fields/immutable.ts";

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const QUANTITY = /^\d+(?:\.\d+)?(?:m|k|Ki|M|Mi|G|Gi)?$/;

/** `--set` reads `1` as a number; where text is expected it is text. */
const textSchema = z.union([z.string(), z.number()]).transform(String);
const labelSchema = textSchema.pipe(z.string().regex(LABEL, "must be a DNS label: a-z, 0-9 and '-', at most 63"));
const trustDomainSchema = z.string().regex(TRUST_DOMAIN, "must be a trust domain: a-z, 0-9, '.', '-' and '_'");
const durationSchema = z.string().regex(/^[1-9]\d{0,8}(?:s|m|h|d)$/, "must be a duration such as 30s, 10m, 24h or 90d");
const quantitySchema = textSchema.pipe(z.string().regex(QUANTITY, "must be a quantity such as 100m, 0.5 or 256Mi"));
const amountsSchema = z.strictObject({ cpu: quantitySchema.optional(), memory: quantitySchema.optional() });
const replicasSchema = z.int().min(1).max(100);

/** Kubernetes' own form. A part that is given replaces the default of that part. */
function resourcesSchema(byDefault: { readonly cpu: string; readonly memory: string; readonly limit: string }) {
  return z
    .strictObject({
      requests: amountsSchema.default({ cpu: byDefault.cpu, memory: byDefault.memory }),
      // No limit of the processor: throttling a control plane or a gateway delays everyone who waits for it.
      limits: amountsSchema.default({ memory: byDefault.limit }),
    })
    .prefault({});
}

function deploymentSchema(byDefault: { readonly cpu: string; readonly memory: string; readonly limit: string }) {
  return z.strictObject({ replicas: replicasSchema.default(2), resources: resourcesSchema(byDefault) }).prefault({});
}

const gatewaySchema = z
  .strictObject({
    /** Whether the default ingress gateway is installed. */
    enabled: z.boolean().default(true),
    replicas: replicasSchema.default(2),
    /** How many proxies in front of it are trusted with `x-forwarded-for`. */
    numTrustedProxies: z.int().min(0).max(100).default(0),
    serviceType: z.enum(["LoadBalancer", "NodePort", "ClusterIP"]).default("LoadBalancer"),
    /** For the Service: cloud providers read the load balancer's settings there. */
    serviceAnnotations: z.record(z.string(), textSchema).default({}),
    resources: resourcesSchema({ cpu: "100m", memory: "128Mi", limit: "1Gi" }),
  })
  .prefault({});

/** Of workloads: how long a signed certificate is valid. A value that is not given is the control plane's default. */
const certificatesSchema = z
  .strictObject({
    /** If a workload requests no lifetime. */
    lifetime: durationSchema.optional(),
    /** A longer requested one is refused. For so long an old root stays trusted after a new one has begun to sign. */
    maxLifetime: durationSchema.optional(),
  })
  .prefault({});

/** The values of an installation. Unknown names are refused; see `parse-values.ts`. */
export const installValuesSchema = z.strictObject({
  /** The namespace of the control plane; the mesh's root namespace. */
  namespace: labelSchema.default(DEFAULT_INJECTION_SETTINGS.controlPlaneNamespace),
  /** Pods and namespaces select it by the label istio.io/rev. Any but `default` is a suffix of all names. */
  revision: labelSchema.default(DEFAULT_INJECTION_SETTINGS.revision),
  /** The one image of all parts. */
  image: z.string().min(1).default(DEFAULT_INJECTION_SETTINGS.image),
  imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
  /** Names of Secrets in the namespace, and in those of injected pods. */
  imagePullSecrets: z.array(labelSchema).default([]),
  trustDomain: trustDomainSchema.default(DEFAULT_INJECTION_SETTINGS.trustDomain),
  trustDomainAliases: z.array(trustDomainSchema).default([]),
  certificates: certificatesSchema,
  /** Istio's: the authorities of foreign trust domains. `parseInstallValues` checks them as the control plane does. */
  caCertificates: z.array(z.json()).default([]),
  /** For addresses outside the mesh. */
  outboundTrafficPolicy: z.enum(["ALLOW_ANY", "REGISTRY_ONLY"]).default("ALLOW_ANY"),
  /** How paths are brought into one form before they are routed and judged. */
  pathNormalization: z.enum(["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]).default("BASE"),
  /** Where the proxies write their access log, such as /dev/stdout; empty turns it off. */
  accessLogFile: z
    .string()
    .regex(/^(?:|\/.+)$/, "must be a path such as /dev/stdout, or empty")
    .default(""),
  // Measured: 75 MB for the demo, 1.0 GB for 5,000 services, 20,000 pods and 2,000 sidecars (`bench/scale`).
  // V8 uses at most half of the limit for its heap.
  controlPlane: deploymentSchema({ cpu: "200m", memory: "256Mi", limit: "3Gi" }),
  // It holds the configuration too, for the warnings of validation: 60 MB for the demo, 0.5 GB for the large mesh.
  injector: deploymentSchema({ cpu: "50m", memory: "128Mi", limit: "1536Mi" }),
  gateway: gatewaySchema,
  /** Of injected pods. A part that is not given is the injector's default; a pod's annotations replace all of it. */
  proxy: z
    .strictObject({
      resources: z.strictObject({ requests: amountsSchema.optional(), limits: amountsSchema.optional() }).prefault({}),
    })
    .prefault({}),
});

/** The values of an installation, complete. */
export type InstallValues = Immutable<z.output<typeof installValuesSchema>>;

export type PodResources = InstallValues["controlPlane"]["resources"];

import { z } from "zod";
import { formatCount } from "../../mesh/format-count.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import { OperatorError } from "../operator-error.ts";
import { pageText } from "../page-text.ts";
import { ADMIN_PORT, type PodPages, readJsonPage } from "../pod-pages.ts";
import { hasIstioProxy } from "../workloads/pod-proxy.ts";
import type { AppliedPolicy, PodAuthorization } from "./pod-authorization.ts";

/** What a running proxy enforces, compared with what the configuration demands. */
export type EnforcedPolicies =
  | {
      readonly kind: "compared";
      /** Demands that the proxy does not have; empty: it is up to date. */
      readonly missing: readonly string[];
      /** What it enforces although the configuration has nothing like it. */
      readonly surplus: readonly string[];
      readonly decisions: readonly PolicyDecisions[];
    }
  /** The proxy cannot be asked. */
  | { readonly kind: "unknown"; readonly reason: string };

/** How often a policy's rules have decided since the proxy started; of one in dry run, would have. */
export interface PolicyDecisions {
  /** `NAMESPACE/NAME` */
  readonly policy: string;
  readonly allowed: number;
  readonly denied: number;
}

const pageSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("none") }),
  z.object({
    state: z.literal("active"),
    path_normalization: pageText,
    total_policies: z.number(),
    policies: z.array(
      z.object({
        policy: pageText,
        action: pageText,
        dry_run: z.boolean(),
        rules: z.number(),
        allowed: z.number(),
        denied: z.number(),
      }),
    ),
  }),
]);

/** Asks a pod's proxy by its page `/authorization`. Whatever keeps it from responding is the result's reason. */
export async function readEnforcedPolicies(
  pages: PodPages,
  { pod, demanded }: { readonly pod: Pod; readonly demanded: PodAuthorization },
  signal: AbortSignal,
): Promise<EnforcedPolicies> {
  if (hasIstioProxy(pod)) return { kind: "unknown", reason: "the pod's proxy is Istio's own" };
  const { namespace, name } = pod.metadata;
  const request = { pod: { namespace, name }, port: ADMIN_PORT, path: "/authorization", signal };
  try {
    return comparePage(await readJsonPage(pages, request), demanded);
  } catch (caught) {
    signal.throwIfAborted();
    return { kind: "unknown", reason: MeshError.from(caught).message };
  }
}

function comparePage(value: unknown, demanded: PodAuthorization): EnforcedPolicies {
  const { data: page, error } = pageSchema.safeParse(value);
  if (page === undefined) {
    const [issue] = error?.issues ?? [];
    const fault = `${issue?.path.join(".")} ${issue?.message}`;
    throw new OperatorError("bad_page", `the proxy's page /authorization is not as expected: ${fault}`);
  }
  if (page.state === "none") return { kind: "unknown", reason: "the proxy has no configuration yet" };
  const { policies, total_policies: total, path_normalization: normalization } = page;
  if (total > policies.length)
    return { kind: "unknown", reason: `the proxy lists ${policies.length} of ${total} policies` };
  const enforced = [
    ...policies.map((one) => titleOf({ ...one, isDryRun: one.dry_run })),
    `path normalization ${normalization}`,
  ];
  const wanted = [...demanded.policies.map(titleOfApplied), `path normalization ${demanded.pathNormalization}`];
  return {
    kind: "compared",
    missing: wanted.filter((title) => !enforced.includes(title)),
    surplus: enforced.filter((title) => !wanted.includes(title)),
    decisions: policies.map(({ policy, allowed, denied }) => ({ policy, allowed, denied })),
  };
}

/** Whether a proxy is known to enforce something else than the configuration demands. */
export function isOutdated(enforced: EnforcedPolicies | undefined): boolean {
  return enforced?.kind === "compared" && enforced.missing.length + enforced.surplus.length > 0;
}

function titleOfApplied({ namespace, name, action, isDryRun, rules }: AppliedPolicy): string {
  return titleOf({ policy: `${namespace}/${name}`, action, isDryRun, rules: rules.length });
}

interface ComparedPolicy {
  /** `NAMESPACE/NAME` */
  readonly policy: string;
  readonly action: string;
  readonly isDryRun: boolean;
  readonly rules: number;
}

/** What of a policy is compared. */
function titleOf({ policy, action, isDryRun, rules }: ComparedPolicy): string {
  return `${policy} (${action}${isDryRun ? " in dry run" : ""}, ${formatCount(rules, "rule")})`;
}

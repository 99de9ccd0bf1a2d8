import { z } from "zod";
import { OperatorError } from "../operator-error.ts";
import { pageText } from "../page-text.ts";

const proxySchema = z.object({
  namespace: pageText,
  pod: pageText,
  identity: pageText,
  address: pageText.default(""),
  version: pageText.default(""),
  isPodKnown: z.boolean().default(true),
  connectedSince: pageText,
  lastSent: pageText.nullable(),
  lastAcknowledged: pageText.nullable(),
  resources: z.array(
    z.object({
      kind: pageText,
      count: z.number(),
      state: z.enum(["synced", "stale", "rejected", "waiting"]),
    }),
  ),
  rejections: z.array(z.object({ resource: pageText, reason: pageText })).default([]),
  /** Absent in older versions, as is the next. */
  certificate: z.object({ serialNumber: pageText, notAfter: pageText, rootFingerprint: pageText }).optional(),
  trustedRoots: z.array(pageText).nullable().default(null),
});

const pageSchema = z.object({
  version: pageText.default(""),
  proxies: z.array(proxySchema),
  awaitingRestart: z.array(pageText).default([]),
});

/** A proxy that a control plane has a stream with. */
export type SyncedProxy = z.output<typeof proxySchema>;

/** The control plane's own version (empty: not reported), its proxies, and the settings that wait for a restart. */
export type SyncPage = z.output<typeof pageSchema>;

/** A control plane's pod and the page that it sent, or why there is none. */
export interface ControlPlaneReplica {
  /** `NAME.NAMESPACE`; the address of one that runs without Kubernetes. */
  readonly pod: string;
  readonly page:
    | ({ readonly kind: "read" } & Readonly<SyncPage>)
    | { readonly kind: "failed"; readonly reason: string };
}

/** Checks the page `/debug/syncz` of a control plane. */
export function validateSyncPage(value: unknown): SyncPage {
  const parsed = pageSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const text = `the control plane's page /debug/syncz is not as expected: ${issue?.path.join(".")} ${issue?.message}`;
  throw new OperatorError("bad_page", `${text}: is it another version?`);
}

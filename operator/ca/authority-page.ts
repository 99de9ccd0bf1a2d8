import { z } from "zod";
import type { AuthorityStatus } from "../../ca-agent/authority/authority-status.ts";
import { OperatorError } from "../operator-error.ts";
import { pageText } from "../page-text.ts";

const rootSchema = z.object({
  fingerprint: pageText,
  serialNumber: pageText.optional(),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  isSigning: z.boolean(),
});

const rotationSchema = z.object({
  phase: z.enum(["steady", "published", "signing", "withdrawing"]),
  cause: z.enum(["request", "age"]).nullish(),
  since: z.iso.datetime().nullable(),
  waiting: pageText.nullable(),
  until: z.iso.datetime().nullable(),
  requestId: pageText.nullable(),
  rolledBack: pageText.nullable(),
  fault: pageText.nullish(),
});

const pageSchema = z.object({
  roots: z.array(rootSchema),
  trustDomains: z.array(pageText).optional(),
  signer: z.object({ serialNumbers: z.array(pageText), revoked: pageText.nullable() }).optional(),
  rotation: rotationSchema.nullable(),
  revoked: z.object({ certificates: z.number(), identities: z.number(), pods: z.number().optional() }),
  refused: z.array(z.string()).optional(),
  warnings: z.array(z.string()).optional(),
});

/** Checks the page `/debug/ca` of a control plane; what it has beside the known fields is dropped. */
export function validateAuthorityPage(value: unknown): AuthorityStatus {
  const parsed = pageSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const text = `the control plane's page /debug/ca is not as expected: ${issue?.path.join(".")} ${issue?.message}`;
  throw new OperatorError("bad_page", `${text}: is it another version?`);
}

import { z } from "zod";
import { OperatorError } from "../operator-error.ts";

const certificateSchema = z.object({
  subject_ids: z.array(z.string()),
  serial_number: z.string(),
  /** Absent in older versions. */
  key: z.string().default("unknown"),
  not_before: z.string(),
  not_after: z.string(),
  sha256: z.string(),
});

const rootSchema = z.object({
  subject: z.string(),
  serial_number: z.string().default(""),
  not_before: z.string().default(""),
  not_after: z.string(),
  sha256: z.string(),
});

const pageSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("none") }),
  z.object({
    state: z.literal("active"),
    identity: z.string(),
    generation: z.number(),
    chain: z.array(certificateSchema).min(1),
    trust_domains: z.array(z.string()),
    roots: z.array(rootSchema),
    /** Absent in older versions. */
    federated: z.array(z.object({ trust_domain: z.string(), roots: z.array(rootSchema) })).default([]),
    /** Absent in older versions. */
    revocations: z.number().default(0),
  }),
]);

/** The page `/certs` of a proxy. It contains no key. */
export type CertificatesPage = z.output<typeof pageSchema>;

/** Checks a proxy's page; what it has beside the known fields is dropped. */
export function validateCertificatesPage(value: unknown): CertificatesPage {
  const parsed = pageSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const text = `the proxy's page /certs is not as expected: ${issue?.path.join(".")} ${issue?.message}`;
  throw new OperatorError("bad_page", `${text}: is the proxy another version?`);
}

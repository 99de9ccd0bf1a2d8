import { z } from "zod";
import { OperatorError } from "../operator-error.ts";
import { pageText } from "../page-text.ts";
import { printableLine } from "../text/palette.ts";

const certificateSchema = z.object({
  subject_ids: z.array(pageText),
  serial_number: pageText,
  /** Absent in older versions. */
  key: pageText.default("unknown"),
  not_before: pageText,
  not_after: pageText,
  sha256: pageText,
});

const rootSchema = z.object({
  // OpenSSL writes each part of a name in a line of its own.
  subject: z.string().transform((subject) => printableLine(subject.replaceAll("\n", ", "))),
  serial_number: pageText.default(""),
  not_before: pageText.default(""),
  not_after: pageText,
  sha256: pageText,
});

const pageSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("none") }),
  z.object({
    state: z.literal("active"),
    identity: pageText,
    generation: z.number(),
    chain: z.array(certificateSchema).min(1),
    trust_domains: z.array(pageText),
    roots: z.array(rootSchema),
    /** Absent in older versions. */
    federated: z.array(z.object({ trust_domain: pageText, roots: z.array(rootSchema) })).default([]),
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

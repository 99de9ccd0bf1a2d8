import { z } from "zod";

const PATTERN = /^(?:\*|(?:\*\.)?[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9_])?\.?)$/;

/**
 * A host: a short or full name, with or without a trailing dot (as in Istio), an address, `*`, or `*.suffix`. A `*`
 * anywhere else matches nothing in Istio.
 */
export const hostPatternSchema = z
  .string()
  .max(255)
  .refine(
    (text) => PATTERN.test(text) || /^[0-9a-fA-F:]+$/.test(text),
    "must be a host name, `*`, or `*.` and a suffix; `*` is allowed only at the beginning",
  );

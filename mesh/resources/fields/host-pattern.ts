import { z } from "zod";

const PATTERN = /^(?:\*|(?:\*\.)?[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9_])?\.?)$/;

/**
 * A host: a short or full name, with or without the dot of DNS's root (Istio allows it), an address, `*`, or
 * `*.suffix`. A star anywhere else matches nothing in Istio.
 */
export const hostPatternSchema = z
  .string()
  .max(255)
  .refine(
    (text) => PATTERN.test(text) || /^[0-9a-fA-F:]+$/.test(text),
    "must be a host name, `*`, or `*.` and a suffix; a `*` may stand only in front",
  );

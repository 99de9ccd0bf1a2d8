import type { z } from "zod";

/** Adds what a check of a schema has found, if it has found something. The path is relative to the schema's value. */
export function addFault(message: string | undefined, path: readonly PropertyKey[], context: z.RefinementCtx): void {
  if (message !== undefined) context.addIssue({ code: "custom", path: [...path], message });
}

import type { IncomingMessage } from "node:http";
import type { BodyBudget } from "./body-budget.ts";

export type BodyReading =
  | { readonly kind: "read"; readonly text: string }
  | { readonly kind: "too_large" }
  | { readonly kind: "not_utf8" }
  /** The client went away, was too slow, or was cut off for the sake of others. */
  | { readonly kind: "aborted" };

/** What bodies may take. */
export interface BodyLimits {
  /** Of one body. */
  readonly maxBytes: number;
  readonly budget: BodyBudget;
}

/** Reads a request's body up to `maxBytes`, and not a byte more than the chunk that goes beyond. */
export async function readBody(request: IncomingMessage, { maxBytes, budget }: BodyLimits): Promise<BodyReading> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return { kind: "too_large" };
  const chunks: Buffer[] = [];
  let length = 0;
  const account = budget.begin(request);
  const reading = new Promise<"end" | "aborted" | "too_large">((resolve) => {
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      account.add(chunk.length);
      if (length > maxBytes) resolve("too_large");
      else chunks.push(chunk);
    });
    request.once("end", () => resolve("end"));
    request.once("error", () => resolve("aborted"));
    request.once("close", () => resolve("aborted"));
  });
  const ending = await reading;
  account.close();
  request.removeAllListeners("data");
  if (ending !== "end") return { kind: ending };
  try {
    return { kind: "read", text: new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)) };
  } catch {
    return { kind: "not_utf8" };
  }
}

import type { IncomingMessage } from "node:http";
import type { BodyAccount, BodyBudget } from "./body-budget.ts";

export type BodyReading =
  | { readonly kind: "read"; readonly text: string }
  | { readonly kind: "too_large" }
  | { readonly kind: "not_utf8" }
  /** The client closed the connection, was too slow, or was cut off in favour of other clients. */
  | { readonly kind: "aborted" };

/** Size limits of request bodies. */
export interface BodyLimits {
  /** For one body. */
  readonly maxBytes: number;
  readonly budget: BodyBudget;
}

/** Reads a request's body up to `maxBytes`; it stops at the first chunk that exceeds the limit. */
export async function readBody(request: IncomingMessage, maxBytes: number, account: BodyAccount): Promise<BodyReading> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return { kind: "too_large" };
  const chunks: Buffer[] = [];
  let length = 0;
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
  request.removeAllListeners("data");
  if (ending !== "end") return { kind: ending };
  try {
    return { kind: "read", text: new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)) };
  } catch {
    return { kind: "not_utf8" };
  }
}

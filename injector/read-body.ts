import type { IncomingMessage } from "node:http";

export type BodyReading =
  | { readonly kind: "read"; readonly text: string }
  | { readonly kind: "too_large" }
  | { readonly kind: "not_utf8" }
  /** The client went away, or was too slow. */
  | { readonly kind: "aborted" };

/** Reads a request's body up to `maxBytes`, and not a byte more than the chunk that goes beyond. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<BodyReading> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return { kind: "too_large" };
  const chunks: Buffer[] = [];
  let length = 0;
  const reading = new Promise<"end" | "aborted" | "too_large">((resolve) => {
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
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

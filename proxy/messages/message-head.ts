import type { DeliveryReport } from "./delivery-report.ts";
import type { Fields } from "./fields.ts";
import type { HttpVersion } from "./http-version.ts";

/** A message's content, and how its end is known. */
export type Content =
  | { readonly kind: "none" }
  /** Bytes. 0: nothing but trailers may follow, which only HTTP/2 has behind a declared length (RFC 9113 §8.1). */
  | { readonly kind: "length"; readonly length: number }
  /**
   * No length is known. Its end is marked by HTTP/1.1 chunks (RFC 9112 §7.1), by a flag of an HTTP/2 frame, or, of a
   * response, by the end of its HTTP/1.x connection.
   */
  | { readonly kind: "unknown"; readonly endsBy: "chunks" | "frames" | "close" };

/** Of a request or a response. */
export interface MessageHead {
  readonly version: HttpVersion;
  readonly fields: Fields;
  readonly content: Content;
  /** The protocols to which the message switches or offers to switch (RFC 9110 §7.8); `undefined`: none. */
  readonly upgrade: string | undefined;
}

/** A request's head, whatever its version. Its parts were validated by the codec that read them. */
export interface RequestHead extends MessageHead {
  readonly method: string;
  readonly scheme: "http" | "https";
  /** A host with or without a port, in its canonical form; empty only for HTTP/1.x (RFC 9112 §3.2). */
  readonly authority: string;
  /** In origin form: path and query, or `*`. */
  readonly path: string;
  readonly expectsContinue: boolean;
  /** The head's size as it came, in bytes. */
  readonly bytes: number;
}

/** A response's head, whatever its version. */
export interface ResponseHead extends MessageHead {
  /** 100..999 (RFC 9110 §15 defines 100 to 599; others are forwarded). */
  readonly status: number;
  /** What the server's sidecar reports about its application, if that is proven (`connections/delivery-proof.ts`). */
  readonly report: DeliveryReport | undefined;
}

/** Whether the response is not the final one: 100, 103 and others, but not 101, after which nothing else comes. */
export function isInterim({ status }: Pick<ResponseHead, "status">): boolean {
  return status < 200 && status !== 101;
}

/**
 * A response's content, by its status:
 * - `any`: content, with its length or in chunks;
 * - `omitted`: none, although fields may describe what a GET would have returned (304, RFC 9110 §15.4.5);
 * - `empty`: none, with a length of 0 (205, RFC 9110 §15.3.6);
 * - `forbidden`: none, and neither Content-Length nor Transfer-Encoding may stand in the head, because a client that
 *   trusts them waits for content and reads the next response as that content (1xx and 204, RFC 9110 §8.6, RFC 9112
 *   §6.1).
 */
export type ResponseContent = "any" | "omitted" | "empty" | "forbidden";

export function responseContent(status: number): ResponseContent {
  if (status < 200 || status === 204) return "forbidden";
  if (status === 205) return "empty";
  return status === 304 ? "omitted" : "any";
}

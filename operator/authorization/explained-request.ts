import type { RequestAttributes, TokenAttributes } from "../../mesh/policy/authorization/authorization.ts";

/** A request as a user describes it. */
export interface ExplainedRequest {
  /** Whether anything of it was said. If not, ports of HTTP are asked with `GET /`. */
  readonly isGiven: boolean;
  readonly method: string;
  /** As the client sends it, with its query. */
  readonly path: string;
  /** @default the service's name */
  readonly authority: string | undefined;
  /** Names in lower case. */
  readonly headers: readonly HeaderLine[];
  /** The claims of a token that the issuer has signed; `undefined`: the request has none. */
  readonly claims: Readonly<Record<string, unknown>> | undefined;
}

export interface HeaderLine {
  readonly name: string;
  readonly value: string;
}

/** The request as policies see it. @param path normalised */
export function requestAttributesOf(
  request: ExplainedRequest,
  seen: { readonly authority: string; readonly path: string; readonly token: TokenAttributes | undefined },
): RequestAttributes {
  return {
    ...seen,
    method: request.method,
    headerLines: (name) => request.headers.filter((line) => line.name === name).map(({ value }) => value),
  };
}

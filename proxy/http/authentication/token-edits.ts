import type { OutputField } from "../../../mesh/policy/request-authentication/output-fields.ts";
import {
  type SearchedRequest,
  type TokenLocation,
  withoutCookie,
  withoutParameters,
} from "../../../mesh/policy/request-authentication/token-locations.ts";
import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";

/** What changes in a request because of its token. `undefined`: nothing. */
export interface TokenEdits {
  readonly headers: FoldedHeaders | undefined;
  readonly path: string | undefined;
}

export const NO_TOKEN_EDITS: TokenEdits = { headers: undefined, path: undefined };

/** Removes the fields that only this proxy may set. @param names as returned by `foldHeaderName`. */
export function removeOutputs(names: ReadonlySet<string>): TokenEdits {
  return names.size === 0 ? NO_TOKEN_EDITS : { headers: { removed: names, added: [] }, path: undefined };
}

export interface TokenEditsInput {
  readonly outputNames: ReadonlySet<string>;
  readonly outputs: readonly OutputField[];
  /** Where the token was found, and is removed from; empty: the application receives it. */
  readonly removedFrom: readonly TokenLocation[];
}

/** Sets the outputs of a verified token, and removes it from where it was found. A field is removed with all its lines. */
export function editsOfToken(
  { outputNames, outputs, removedFrom }: TokenEditsInput,
  request: SearchedRequest,
): TokenEdits {
  const removed = new Set(outputNames);
  const added = [...outputs];
  const cookies = new Set<string>();
  const parameters = new Set<string>();
  for (const location of removedFrom) {
    if (location.kind !== "field") (location.kind === "cookie" ? cookies : parameters).add(location.name);
    else if (location.isRemovable) removed.add(location.folded);
  }
  if (cookies.size > 0) {
    removed.add("cookie");
    const kept = withoutCookie(request.fields, cookies);
    if (kept !== undefined) added.push({ name: "cookie", value: kept });
  }
  return {
    headers: removed.size === 0 && added.length === 0 ? undefined : { removed, added },
    path: parameters.size === 0 ? undefined : withoutParameters(request.path, parameters),
  };
}

import type { RequestAttributes, TokenAttributes } from "../../../mesh/policy/authorization/authorization.ts";
import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import { foldHeaderName } from "../../../mesh/resources/fields/header-rules.ts";
import { forwardedProto, type Hop, isReplaced } from "../../messages/edits/hop-headers.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead } from "../../messages/message-head.ts";

/** How a request is forwarded, as far as a policy can see that. */
export interface JudgedAs {
  /** Where it enters: determines which fields are not the client's to set. */
  readonly hop: Hop;
  /** What this proxy writes instead of a field of the client. @param name in lower case */
  readonly written: (name: string) => string | undefined;
  /** The changes that its token causes: a policy sees the request after them. */
  readonly headers?: FoldedHeaders | undefined;
  /** Of RequestAuthentication. */
  readonly token: TokenAttributes | undefined;
}

/**
 * A request as its policies see it: as the application would receive it. A field that is dropped on the way is absent,
 * and one that this proxy sets has its value. The head's path must be the normalised one.
 */
export class JudgedRequest implements RequestAttributes {
  readonly #head: RequestHead;
  readonly #as: JudgedAs;
  #confused: { readonly spelled: string; readonly read: string } | undefined;

  constructor(head: RequestHead, as: JudgedAs) {
    this.#head = head;
    this.#as = as;
  }

  get method(): string {
    return this.#head.method;
  }

  get authority(): string {
    return this.#head.authority;
  }

  get path(): string {
    return this.#head.path;
  }

  get token(): TokenAttributes | undefined {
    return this.#as.token;
  }

  /** The lines of a field, each alone: joined ones would hide an exact value (CVE-2026-26308). */
  readonly headerLines = (name: string): readonly string[] => {
    const written = this.#as.written(name);
    if (written !== undefined) return [written];
    const lines = this.#received(name);
    return lines.length === 0 && name === "x-forwarded-proto" ? [forwardedProto(this.#as.hop)] : lines;
  };

  /**
   * The reply to a request with a field that its policies have asked for under another spelling: WSGI, PHP and CGI read
   * `x_role` as `x-role`, so that a value that no policy has seen would reach the application. Ask after the verdict.
   */
  get confusion(): LocalReply | undefined {
    if (this.#confused === undefined) return undefined;
    const { spelled, read } = this.#confused;
    const details = `malformed request: some servers read the field ${spelled} as ${read}, which a policy matches`;
    return { status: 400, flags: "DPE", details };
  }

  #received(name: string): readonly string[] {
    const { fields } = this.#head;
    const folded = foldHeaderName(name);
    const { hop, headers } = this.#as;
    const added = headers?.added.filter((field) => field.name === name).map(({ value }) => value) ?? NO_LINES;
    const isDropped =
      fields.hopNames.includes(name) || isReplaced(folded, hop) || headers?.removed.has(folded) === true;
    if (isDropped) return added;
    const lines = [...added];
    // Only letters and digits stay as they are in every spelling.
    const first = /^[a-z\d]/.test(name) ? name.charCodeAt(0) : undefined;
    for (let index = 0; index < fields.count; index += 1) {
      if (first !== undefined && fields.nameCodeAt(index, 0) !== first) continue;
      const found = fields.nameAt(index);
      if (found === name) lines.push(fields.valueAt(index));
      else if (foldHeaderName(found) === folded) this.#confused ??= { spelled: found, read: name };
    }
    return lines;
  }
}

const NO_LINES: readonly string[] = [];

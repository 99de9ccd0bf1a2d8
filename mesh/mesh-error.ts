/**
 * The base of every error that Entente raises on purpose. `code` is stable and documented beside each subclass; the
 * message starts with it, so that a log line can be searched by code. `details` names the things that are wrong.
 */
export class MeshError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, options: MeshErrorOptions = {}) {
    super(`${code}: ${message}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }

  /** Normalises whatever was caught: a MeshError stays as it is, a Node error keeps its errno as code. */
  static from(caught: unknown): MeshError {
    if (caught instanceof MeshError) return caught;
    if (caught instanceof Error) {
      return new MeshError(errnoOf(caught) ?? "unexpected", caught.message, { cause: caught });
    }
    return new MeshError("unexpected", String(caught));
  }
}

export interface MeshErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Node's error code (`ECONNREFUSED`, `ERR_TLS_…`), if the error carries one. */
export function errnoOf(error: Error): string | undefined {
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}

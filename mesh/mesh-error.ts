/**
 * The base class of Entente's errors. `code` is stable and documented at each subclass; the message starts with it, so
 * that logs can be searched by code. `details` contains the invalid values.
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

  /** Normalises any caught value: a MeshError stays as it is, a Node error keeps its errno as code. */
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

/** Node's error code (`ECONNREFUSED`, `ERR_TLS_…`), if the error has one. */
export function errnoOf(error: Error): string | undefined {
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Whether a call of the file system failed because there is no such file or directory. */
export function isNoSuchFile(caught: unknown): boolean {
  return caught instanceof Error && errnoOf(caught) === "ENOENT";
}

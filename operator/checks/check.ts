/** The outcome of one check. */
export type CheckOutcome =
  | { readonly kind: "ok"; readonly message?: string }
  /** It works, and something should be looked at. */
  | { readonly kind: "warning"; readonly message: string; readonly hint: string }
  | { readonly kind: "failed"; readonly message: string; readonly hint: string }
  /** It could not be judged. */
  | { readonly kind: "skipped"; readonly message: string };

/** A check that was made. */
export interface CheckResult {
  /** What should be so: `the webhook's certificate is valid`. */
  readonly title: string;
  readonly outcome: CheckOutcome;
}

/** Checks of one part of the system, in the order in which they make sense. */
export interface CheckGroup {
  readonly name: string;
  readonly checks: readonly CheckResult[];
}

export function ok(message?: string): CheckOutcome {
  return message === undefined ? { kind: "ok" } : { kind: "ok", message };
}

export function warning(message: string, hint: string): CheckOutcome {
  return { kind: "warning", message, hint };
}

export function failed(message: string, hint: string): CheckOutcome {
  return { kind: "failed", message, hint };
}

export function skipped(message: string): CheckOutcome {
  return { kind: "skipped", message };
}

/** Whether no check has failed. */
export function isHealthy(groups: readonly CheckGroup[]): boolean {
  return groups.every(({ checks }) => checks.every(({ outcome }) => outcome.kind !== "failed"));
}

import type { RefusedConnection } from "../connections/connection-observer.ts";

/** Why a connection does not get through. */
export interface Refused {
  readonly kind: "refused";
  readonly stage: RefusedConnection["stage"];
  readonly reason: string;
  readonly message: string;
}

export function refused(stage: Refused["stage"], reason: string, message: string): Refused {
  return { kind: "refused", stage, reason, message };
}

import type { IncomingMessage } from "node:http";
import type { Clock, Timer } from "../../mesh/runtime.ts";

export interface BodyWatch {
  readonly clock: Clock;
  /** How long a client may send nothing of a body that it owes. */
  readonly idleMs: number;
  /** Whether it is the upstream that does not take more; then the client cannot be blamed. */
  readonly isHeldBack: () => boolean;
  readonly onIdle: () => void;
  /** Some more of it has come. */
  readonly onData: (bytes: number) => void;
}

/** How many checks make up `idleMs`: a client is cut after `idleMs`, or a third of it later. */
const CHECKS = 3;

/** Cuts clients that begin a body and stop sending it. An upload that moves may take as long as it takes. */
export function watchBody(request: IncomingMessage, watch: BodyWatch): void {
  let quietChecks = 0;
  let timer: Timer | undefined;
  const arm = (): void => {
    timer = watch.clock.setTimeout(check, watch.idleMs / CHECKS);
  };
  const check = (): void => {
    if (request.complete || request.destroyed) return;
    quietChecks = watch.isHeldBack() ? 0 : quietChecks + 1;
    if (quietChecks > CHECKS) watch.onIdle();
    else arm();
  };
  request.on("data", (chunk: Buffer) => {
    quietChecks = 0;
    watch.onData(chunk.length);
  });
  request.once("close", () => timer?.cancel());
  arm();
}

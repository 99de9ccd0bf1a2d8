import { startControlPlane } from "../control-plane/start-control-plane.ts";
import { systemClock } from "../mesh/runtime.ts";
import { whenAborted } from "../net/when-aborted.ts";
import type { Command } from "./command.ts";
import { CONTROL_PLANE_DESCRIPTION, parseControlPlaneOptions } from "./control-plane-options.ts";

/** The certificate authority and the discovery streams, in one process. */
export const controlPlaneCommand: Command = {
  name: "control-plane",
  summary: "sign the sidecars' certificates and send them their configuration",
  description: CONTROL_PLANE_DESCRIPTION,
  run: async (args, { log, signal }) => {
    const stop = await startControlPlane(parseControlPlaneOptions(args), { clock: systemClock, log, signal });
    await whenAborted(signal);
    await stop();
    return 0;
  },
};
